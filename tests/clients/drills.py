"""Accidents that several tests look at."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request

import tahoe

SIZE = 100_000_000


class InterruptedUpload:
    """A client that is killed while its upload of 100 MB is under way, and started again."""

    def __init__(self, customer):
        self.customer = customer
        self.data = None
        for attempt in range(5):
            if self.interrupt(attempt):
                break
        else:
            raise AssertionError("the uploads ended before the client could be killed")
        self.at = time.monotonic()
        self.stored_after_s = None
        customer.client.start().wait_connected()
        self.retry = threading.Thread(target=self.store_until_stored)
        self.retry.start()

    def interrupt(self, attempt):
        """True if the client died between the first and the last byte of the upload."""
        client = self.customer.client
        if client.process is None:
            client.start().wait_connected()
        self.data = bytes([attempt + 1]) * SIZE
        request = urllib.request.Request(client.url + "uri", data=self.data, method="PUT")
        connection = Request(request)

        def progress():
            if connection.done():
                return "too late"
            for upload in json.loads(client.get("status?t=json"))["active"]:
                if upload["type"] == "upload" and 0 < upload["progress-encode-push"] < 1:
                    return "under way"
            return None
        seen = tahoe.wait_for("the upload to be under way", progress, 60)
        client.kill()
        connection.join()
        return seen == "under way" and not connection.stored

    def store_until_stored(self):
        """Tries the same file again every few seconds, as its owner might, beside the other tests."""
        client = self.customer.client
        while time.monotonic() < self.at + 240:
            try:
                cap = client.put_file(self.data)
            except (OSError, tahoe.Failure):
                time.sleep(5)
                continue
            if client.read(cap) == self.data:
                self.stored_after_s = time.monotonic() - self.at
            return

    def store_again(self):
        """Returns the seconds from the client's death to success."""
        self.retry.join()
        assert self.stored_after_s is not None, "the same file was not stored and read within 240 s"
        return self.stored_after_s


class Request:
    """An HTTP request that a thread of its own makes."""

    def __init__(self, request):
        self.stored = False
        self.request = request
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            with urllib.request.urlopen(self.request, timeout=120) as answer:
                answer.read()
            self.stored = True
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            pass

    def done(self):
        return not self.thread.is_alive()

    def join(self):
        self.thread.join()
