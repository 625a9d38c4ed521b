"""A real S3 server for tests."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import boto3
import pytest

from uninote.install.spark import spark_home

# Everything that boto3 may take from its surroundings, so that nobody's own settings reach a test.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
}
UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
PROPERTIES = """\
s3proxy.endpoint={endpoint}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={identity}
s3proxy.credential={credential}
s3proxy.ignore-unknown-headers=true
jclouds.provider=filesystem
jclouds.filesystem.basedir={folder}
"""
# A line for each request, and what is wrong.
LOGGING = """\
<configuration>
  <appender name="lines" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%m%n%ex</pattern></encoder>
  </appender>
  <logger name="org.gaul.s3proxy.S3ProxyHandler" level="debug"/>
  <root level="warn"><appender-ref ref="lines"/></root>
</configuration>
"""
REQUEST = re.compile(r"^request: .*\{([A-Z]+)@\S+ https?://[^/]+(/\S*) HTTP")
# The name that Ivy gives to what Maven calls a classifier: it looks like an address, and nothing is fetched from it.
IVY_MAVEN = "/".join(("http:", "", ".".join(("ant", "apache", "org")), "ivy", "maven"))
IVY_MODULE = f"""\
<ivy-module version="2.0" xmlns:m="{IVY_MAVEN}">
  <info organisation="uninote" module="s3-server"/>
  <dependencies>
    <dependency org="org.gaul" name="s3proxy" rev="4.1.0" transitive="false" conf="*->master">
      <artifact name="s3proxy" type="jar" ext="jar" m:classifier="jar-with-dependencies"/>
    </dependency>
  </dependencies>
</ivy-module>
"""
START_S = 60


@dataclass
class S3Server:
    """One server that keeps `folder`; it may be stopped and started again at the same endpoint."""

    folder: Path
    endpoint: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and return when it answers."""
        config, log = self.folder / "s3proxy.properties", self.folder / "s3proxy.log"
        identity, credential = ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
        (self.folder / "buckets").mkdir(parents=True, exist_ok=True)
        (self.folder / "logback.xml").write_text(LOGGING)
        config.write_text(
            PROPERTIES.format(
                endpoint=self.endpoint, identity=identity, credential=credential, folder=self.folder / "buckets"
            )
        )
        command = [
            "java",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            f"-Dlogback.configurationFile={self.folder / 'logback.xml'}",
            "-jar",
            str(server_jar()),
            "--properties",
            str(config),
        ]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        address, ends = urlsplit(self.endpoint), time.monotonic() + START_S
        while not _listens(address.hostname, address.port):
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"the S3 server did not start; {log} ends: {log.read_text()[-500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server; its objects stay. Without effect when it is stopped."""
        if self.process is not None:
            self.process.kill()  # as an outage does, and without waiting
            self.process.wait(START_S)
            self.process = None

    def requests(self) -> list[str]:
        """Return all requests so far, as the server logged them: command and path, with the query."""
        found = []
        for line in (self.folder / "s3proxy.log").read_text(errors="replace").splitlines():
            if request := REQUEST.match(line):
                found.append(f"{request[1]} {request[2]}")
        return found

    @cached_property
    def client(self):
        """A boto3 client with the server's own credentials, to arrange and to look at what it holds."""
        return boto3.session.Session().client("s3", endpoint_url=self.endpoint)

    def make_bucket(self, name: str) -> str:
        """Return the URI of a bucket, made unless it is there."""
        if not (self.folder / "buckets" / name).exists():
            self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    def put(self, uri: str, content: bytes) -> str:
        """Store an object at `s3://bucket/key`, in a bucket made when needed, and return its URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.make_bucket(bucket)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)
        return uri


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run a server in `folder`, with the environment that lets boto3 use it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in UNSET:
            patch.delenv(name, raising=False)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        server = S3Server(folder, f"http://127.0.0.1:{free_port()}")
        server.start()
        try:
            yield server
        finally:
            server.stop()


@cache
def server_jar() -> Path:
    """Return the server's jar out of Ivy's cache, fetched there once, from the user's own mirror where one is set."""
    ivy = next((spark_home() / "jars").glob("ivy-*.jar"))
    with TemporaryDirectory() as scratch:
        module, found = Path(scratch) / "ivy.xml", Path(scratch) / "classpath"
        module.write_text(IVY_MODULE)
        command = ["java", "-jar", str(ivy), "-ivy", str(module), "-cachepath", str(found)]
        if settings := os.environ.get("UNINOTE_IVY_SETTINGS"):
            command += ["-settings", settings]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode != 0 or not found.exists() or not found.read_text().strip():
            raise RuntimeError(
                "the S3 server for tests (org.gaul:s3proxy:4.1.0, jar-with-dependencies) could not be fetched; behind a"
                f" mirror set UNINOTE_IVY_SETTINGS to your ivysettings.xml. Ivy said: {finished.stdout[-1000:]}"
            )
        return Path(found.read_text().strip())


def free_port() -> int:
    """Return a port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listens(host: str | None, port: int | None) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
