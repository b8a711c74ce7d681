"""A running `goldsmith dev` in a folder of its own, with users who can log in to its console."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PASSWORDS = {"olga": "correct horse battery", "vera": "staple and a viewer"}


class Dev:
    def __init__(self, program):
        self.program = program
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="goldsmith-browser."))
        self.data = self.folder / "data"
        self.log = open(self.folder / "dev.log", "wb")
        users = self.folder / "users"
        users.touch(mode=0o600)
        lines = [self._line("user", "olga", "operator"), self._line("user", "vera", "viewer")]
        made = subprocess.run(
            [program, "console", "token", "link", "--role", "operator"], capture_output=True, text=True, check=True
        )
        self.token = made.stderr.strip()
        users.write_text("".join(lines) + made.stdout)
        # A short lease and few attempts, so that an end is not waited for; slow copies, so that they can be watched.
        environment = dict(
            os.environ,
            GOLDSMITH_CONSOLE_USERS_FILE=str(users),
            GOLDSMITH_LEASE="4",
            GOLDSMITH_ATTEMPTS="2",
            GOLDSMITH_DRAIN="5",
            GOLDSMITH_BOOT_PROOF="off",
        )
        self.process = subprocess.Popen(
            [program, "dev", "--data", str(self.data), "--workers", "1", "--copy-rate", "12"],
            env=environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        eventually(lambda: (self.data / "dev.json").exists() or self.process.poll() is not None, 90, "dev is ready")
        self.url = json.loads((self.data / "dev.json").read_text())["consoleUrl"]

    def _line(self, kind, name, role):
        return subprocess.run(
            [self.program, "console", kind, name, "--role", role],
            input=PASSWORDS[name] + "\n",
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def run(self, *arguments):
        return subprocess.run(
            [self.program, *arguments, "--data", str(self.data)], capture_output=True, text=True, check=True
        ).stdout

    def create(self, instance, name, *more):
        answer = self.run("image", "create", "--instance", instance, "--name", name, "--json", *more)
        return json.loads(answer)["imageId"]

    def _disk(self, instance, device):
        folder = self.data / "instances" / instance
        disks = json.loads((folder / "instance.json").read_text())["disks"]
        return folder / next(disk["file"] for disk in disks if disk["device"] == device)

    def repair(self, instance, device):
        """Makes a sound disk of random words, compressed."""
        words = self.folder / "words"
        if not words.exists():
            words.write_text(os.urandom(4 << 20).hex())
        disk = self._disk(instance, device)
        subprocess.run(["qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", words, disk], check=True)

    def damage(self, instance, device):
        """Makes a disk that is found out when it is read, and not before: rotten bytes in its compressed middle."""
        self.repair(instance, device)
        disk = self._disk(instance, device)
        with open(disk, "r+b") as file:
            file.seek(disk.stat().st_size // 8192 * 4096)
            file.write(os.urandom(64 * 4096))

    def interrupt(self):
        """Ctrl-C. Returns the exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60), time.monotonic() - began

    def close(self, failed):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self.log.close()
        if failed:
            print((self.folder / "dev.log").read_text(errors="replace"))
        shutil.rmtree(self.folder, ignore_errors=True)


def eventually(check, seconds, what):
    """Asks until the answer is true, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
