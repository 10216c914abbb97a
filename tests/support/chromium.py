"""A real browser for tests: Chromium without a window, through its own pipe.

Chromium reads commands of the DevTools protocol from file descriptor 3 and
writes answers and events to 4, so that no port and no further package is
needed. https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import time

FOUND = next(
    filter(
        None,
        map(
            shutil.which,
            ("chromium", "chromium-browser", "google-chrome", "chrome"),
        ),
    ),
    None,
)


class Page:
    """One page in a browser."""

    def __init__(self, write, read):
        self._write, self._read = write, read
        self._buffer = b""
        self._count = 0
        self._session = None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")
        self._session = self.send(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Sends a command and returns its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self, seconds):
        """The next message. An event is noted, too."""
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError("Chromium did not answer")
            self._buffer += os.read(self._read, 1 << 20)
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        if "id" not in message:
            self.events.append((message["method"], message["params"]))
        return message

    def open(
        self, path, *, width=1280, height=900, scheme="light", runs_code=True
    ):
        """Opens a file and waits until it is loaded, or its code says so."""
        self.resize(width, height, scheme)
        url = pathlib.Path(path).resolve().as_uri()
        self.send("Page.navigate", url=url)
        is_loaded = "document.readyState === 'complete'"
        is_ready = "document.documentElement?.dataset.ready === 'yes'"
        is_here = f"location.href === {json.dumps(url)}"
        self.wait_for(f"{is_here} && {is_ready if runs_code else is_loaded}")
        self.settle()

    def resize(self, width, height, scheme="light"):
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])

    def run(self, code):
        """The value of an expression of JavaScript."""
        result = self.send(
            "Runtime.evaluate",
            expression=code,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait_for(self, code, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(code):
            if time.monotonic() > end:
                raise TimeoutError(f"{code} did not come true: {self.events}")
            time.sleep(0.05)

    def settle(self):
        """Waits until two frames have been painted."""
        self.run(
            "new Promise(done => requestAnimationFrame(() => "
            "requestAnimationFrame(() => done(true))))"
        )

    def move(self, x, y):
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, x, y):
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                clickCount=1,
            )
        time.sleep(0.4)  # a tap is one only if no second click follows
        self.settle()

    def screenshot(self, path, *, whole=False):
        """Writes a PNG file of what is seen, or of the whole page."""
        shot = self.send(
            "Page.captureScreenshot", captureBeyondViewport=whole,
            **({"clip": self._whole()} if whole else {}),
        )  # fmt: skip
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _whole(self):
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {**size, "x": 0, "y": 0, "scale": 1}

    def requests(self):
        """The addresses that were asked for, without the data in the page."""
        return [
            params["request"]["url"]
            for method, params in self.events
            if method == "Network.requestWillBeSent"
            and not params["request"]["url"].startswith("data:")
        ]

    def complaints(self):
        """What the console says: exceptions, errors and warnings."""
        found = []
        for method, params in self.events:
            if method == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled":
                if params["type"] in ("error", "warning", "assert"):
                    found.append(str(params["args"]))
            elif method == "Log.entryAdded":
                if params["entry"]["level"] in ("error", "warning"):
                    found.append(str(params["entry"]["text"]))
        return found


@contextlib.contextmanager
def chromium(profile):
    """Starts Chromium with an empty profile, and yields a `Page`.

    No name of a host can be resolved in it, so that nothing can be loaded.
    """
    to_read, write = os.pipe()
    read, to_write = os.pipe()

    def as_3_and_4():
        # Copies first: the pipes may themselves be 3 or 4.
        source, sink = os.dup(to_read), os.dup(to_write)
        high = [os.dup2(source, 103), os.dup2(sink, 104)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [
            FOUND,
            "--headless=new",
            "--no-sandbox",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--disable-extensions",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
        ],
        preexec_fn=as_3_and_4,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    try:
        yield Page(write, read)
    finally:
        process.terminate()
        process.wait(20)
        os.close(write)
        os.close(read)
