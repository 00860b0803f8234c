"""Certificates for loopback, made with the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make_authority(folder: Path, name: str) -> Path:
    """A certificate authority; its certificate's path is returned, its key is beside it."""
    path = folder / f"{name}.pem"
    # since 3.13 Python asks for all that RFC 5280 does
    basic = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl("req", "-x509", *_KEY, "-keyout", path.with_suffix(".key"), "-out", path, "-subj", f"/CN={name}", *basic)
    return path


def server_side(authority: Path, name: str, *, host: str = "IP:127.0.0.1", days: int = 2) -> ssl.SSLContext:
    """What a server needs that the authority vouches for; with negative days the certificate has expired."""
    path = authority.with_name(f"{name}.pem")
    key, request, extension = path.with_suffix(".key"), path.with_suffix(".csr"), path.with_suffix(".ext")
    extension.write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
    _openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", "/CN=loopback")
    issuer = ["-CA", authority, "-CAkey", authority.with_suffix(".key"), "-CAcreateserial"]
    _openssl("x509", "-req", "-in", request, *issuer, "-days", str(days), "-extfile", extension, "-out", path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path, key)
    return tls


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
