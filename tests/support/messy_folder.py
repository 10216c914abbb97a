"""Makes a folder of photographs as people have it, with every kind of file.

    python tests/support/messy_folder.py PATH

Each photograph is a gradient of its class' colour, so that a decoder which gets
its orientation or its channels wrong is seen.
"""

import os
import pathlib
import socket
import struct
import sys
import zlib

import numpy as np
from PIL import Image

COLOURS = {"猫": (230, 120, 40), "dog": (40, 90, 220), "vögel": (60, 190, 70)}
PLAIN = 30  # plain JPEG files of each class
CONVERT = "to be converted to JPEG"
HUGE = "more than 89,478,485 pixels"  # Pillow's limit
ORIENTED = "turned.jpg"  # in the class "dog": EXIF orientation 6


def pixels_of(name, number=0, height=48, width=64):
    """`[H, W, 3]` uint8: bright at the top left, dark at the bottom right."""
    rows = np.linspace(1, 0.4, height)[:, None, None]
    columns = np.linspace(1, 0.5, width)[None, :, None]
    colour = np.array(COLOURS[name]) - number
    return (rows * columns * colour).astype(np.uint8)


def write(folder):
    """Makes the folder, with PATH/CLASS/*; returns what is left out, and why.

    Args:
      folder: path of the folder to make.

    Returns:
      dict of the paths below it, as they are printed, to the reasons.
    """
    folder = pathlib.Path(folder)
    for name in COLOURS:
        (folder / name).mkdir(parents=True)
        for number in range(PLAIN):
            image = Image.fromarray(pixels_of(name, number))
            image.save(folder / name / f"{number:02}.jpg", quality=90)
    _photographs(folder / "dog")
    _of_systems(folder)
    return {
        **_no_images(folder / "dog"),
        **_special_files(folder / "猫"),
        **_elsewhere(folder),
    }


def _photographs(folder):
    """Every kind of file that is read."""
    pixels = pixels_of("dog", 31)
    image = Image.fromarray(pixels)
    alpha = image.convert("RGBA")
    alpha.putalpha(128)
    exif = Image.Exif()
    exif[0x0112] = 6  # as a phone does that is held upright
    turned = Image.fromarray(np.rot90(pixels))
    turned.save(folder / ORIENTED, exif=exif, quality=95)
    image.convert("CMYK").save(folder / "print.JPG")
    image.convert("L").save(folder / "grey.jpeg")
    image.save(folder / "progressive.jfif", "JPEG", progressive=True)
    image.convert("P").save(folder / "palette.PNG", transparency=3)
    alpha.save(folder / "alpha.png")
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 256
    Image.fromarray(grey).save(folder / "16 bits.png")
    Image.fromarray(grey).save(folder / "16 bits.tif")
    image.save(folder / "scan.TIFF", compression="tiff_lzw")
    image.save(folder / "picture.bmp")
    image.save(folder / "web.webp", quality=90)
    image.save(
        folder / "moving.gif", save_all=True, append_images=[alpha], loop=0
    )
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        folder / "no suffix", "JPEG"
    )
    below = folder / "summer" / "2024"
    below.mkdir(parents=True)
    Image.fromarray(pixels_of("dog", 32)).save(below / "día 1.jpg")
    latin = os.path.join(os.fsencode(folder), b"caf\xe9.png")
    with open(latin, "wb") as file:
        Image.fromarray(pixels_of("dog", 33)).save(file, "PNG")


def _no_images(folder):
    """What is no photograph that is read, with the right first bytes."""
    jpeg = (folder / "00.jpg").read_bytes()
    files = {
        "IMG_1.HEIC": (box(b"heic"), f"HEIC photograph, {CONVERT}"),
        "IMG_2.jpg": (box(b"mif1"), f"HEIC photograph, {CONVERT}"),
        "new.avif": (box(b"avif"), f"AVIF image, {CONVERT}"),
        "clip.MOV": (box(b"qt  "), "video"),
        "clip.mp4": (box(b"isom"), "video"),
        "clip.avi": (b"RIFF\0\0\0\0AVI LIST", "video"),
        "raw.NEF": (b"MM\0*\0\0\0\x08\0\0", "camera's raw file"),
        "paper.pdf": (b"%PDF-1.4\n%\xe2\xe3", "PDF document"),
        "all.zip": (b"PK\3\4\x14\0\0\0", "archive"),
        "notes.txt": (b"to be sorted\n", "text"),
        "labels.csv": (b"name,label\n", "text"),
        "drawing.svg": (b'<svg viewBox="0 0 9 9">', "SVG drawing"),
        "empty": (b"", "empty file"),
        "huge.png": (_png_header(23_000, 23_000), HUGE),
        "cut off.jpg": (jpeg[: len(jpeg) // 2], "damaged image"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {f"dog/{name}": reason for name, (_, reason) in files.items()}


def _special_files(folder):
    """What must not be opened."""
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket may have 107 bytes at most
        server.bind("socket.jpg")
        os.chdir(here)
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "elsewhere.jpg").symlink_to(os.path.abspath(__file__))
    (folder / "nothing.jpg").symlink_to("gone.jpg")
    (folder / "round").symlink_to("..")
    return {
        "猫/pipe.jpg": "pipe",
        "猫/socket.jpg": "socket",
        "猫/zero.jpg": "link out of the folder",
        "猫/elsewhere.jpg": "link out of the folder",
        "猫/nothing.jpg": "link to nothing",
        "猫/round": "link to a folder",
    }


def _of_systems(folder):
    """What nobody wants to hear of."""
    for name in (".hidden", "__MACOSX", ".git"):
        (folder / name / "dog").mkdir(parents=True)
        (folder / name / "dog" / "._00.jpg").write_bytes(b"\0\5\x16\7")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "dog/._01.jpg"):
        (folder / name).write_bytes(b"\xd0\xcf\x11\xe0")


def _elsewhere(folder):
    """What stands in no class."""
    Image.fromarray(pixels_of("dog")).save(folder / "cover.jpg", quality=50)
    (folder / "README.md").write_text("My photographs.\n")
    (folder / "later").mkdir()
    return {
        "cover.jpg": "image outside of the folders of the classes",
        "README.md": "text",
        "later/": "folder without images",
    }


def box(brand):
    """The start of a file of boxes, such as HEIC and MP4."""
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + b"\0\0\0\0"


def _png_header(width, height):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(chunk))
    data = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + check + data


if __name__ == "__main__":
    for path, reason in write(sys.argv[1]).items():
        print(f"{path}: {reason}")
