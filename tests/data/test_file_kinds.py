import pytest

from supcon_tf.data.file_kinds import is_named_as_image, kind_of


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"\xff\xd8\xff\xe1....Exif", "a.txt", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a", "WebP"),
        (b"RIFF\0\0\0\0AVI LIST", "a.jpg", "video"),
        (b"II*\0\x08\0\0\0\0\0", "a.TIF", "TIFF"),
        (b"II*\0\x08\0\0\0\0\0", "a.NEF", "camera's raw file"),
        (b"II*\0\x10\0\0\0CR\2\0", "a.tif", "camera's raw file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a.jpg", "HEIC photograph"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a", "HEIC photograph"),
        (b"\0\0\0\x1cftypiso8\0\0\0\0avifmif1", "a", "AVIF image"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "a", "video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a", "video"),
        (b"%PDF-1.4", "a.jpg", "PDF document"),
        (b"PK\3\4", "a.docx", "archive"),
        (b"<!DOCTYPE html><html>", "a.jpg", "web page"),
        (b'<?xml version="1.0"?><svg width="1">', "a", "SVG drawing"),
        (b"BMW, a list of cars", "a", "text"),
        ("löwe".encode()[:2], "a", "text"),  # cut within a letter
        (b"\x01\x02\x03\x04", "a", "unknown content"),
        (b"", "a.jpg", "empty file"),
    ],
)
def test_the_content_says_what_a_file_is(head, name, kind):
    assert kind_of(head, name) == kind


def test_suffixes_of_images_are_known_in_any_case():
    assert is_named_as_image("a/b.JPEG") and is_named_as_image(b"caf\xe9.Tif")
    assert not is_named_as_image("jpg") and not is_named_as_image("a.heic")
