"""A Redfish service for a CDU, built on the published schemas and the standard library alone.

    python redfish_server.py PORT CERTIFICATE KEY

DMTF's own mock-up server is in no package registry. Resources follow CoolingUnit v1_2,
Control excerpts and Sensor v1_10 of DSP8010; ETag, If-Match, errors and Basic follow DSP0266.
The user «ada» has the password «difference». Says «ready» when it listens, and «write PATH
BODY» for each change that it carried out.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNIT = "/redfish/v1/ThermalEquipment/CDUs/1"
READ_ONLY = {"AllowableMin", "AllowableMax", "Reading", "ControlMode"}
RESOURCES: dict[str, Any] = {
    "/redfish/v1/": {
        "@odata.id": "/redfish/v1/",
        "RedfishVersion": "1.20.0",
        "ThermalEquipment": {"@odata.id": "/redfish/v1/ThermalEquipment"},
    },
    "/redfish/v1/ThermalEquipment": {
        "@odata.id": "/redfish/v1/ThermalEquipment",
        "CDUs": {"@odata.id": "/redfish/v1/ThermalEquipment/CDUs"},
        "Status": {"State": "Enabled"},
    },
    "/redfish/v1/ThermalEquipment/CDUs": {
        "@odata.id": "/redfish/v1/ThermalEquipment/CDUs",
        "Members@odata.count": 1,
        "Members": [{"@odata.id": UNIT}],
    },
    UNIT: {
        "@odata.type": "#CoolingUnit.v1_2_0.CoolingUnit",
        "@odata.id": UNIT,
        "Status": {"State": "Enabled", "Health": "OK"},
        "EquipmentType": "CDU",
        "SupplyTemperatureControlCelsius": {
            "SetPoint": 32.0,
            "AllowableMin": 18.0,
            "AllowableMax": 45.0,
            "ControlMode": "Automatic",
            "Reading": 22.5,
        },
        "Oem": {"Isotherm": [{"Note": "kept"}, {"Count": 0, "Note": "kept"}]},
        "PumpRedundancy": [{"Status": {"State": "Enabled"}}],
        "Sensors": {"@odata.id": f"{UNIT}/Sensors"},
        "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/1"}]},
    },
    f"{UNIT}/Sensors": {
        "@odata.id": f"{UNIT}/Sensors",
        "Members": [{"@odata.id": f"{UNIT}/Sensors/{name}"} for name in ("Flow", "Absent", "Gone")],
    },
    f"{UNIT}/Sensors/Flow": {
        "@odata.type": "#Sensor.v1_10_0.Sensor",
        "@odata.id": f"{UNIT}/Sensors/Flow",
        "Reading": 1234.5,
        "ReadingUnits": "kW",
        "Status": {"State": "Enabled", "Health": "OK"},
    },
    f"{UNIT}/Sensors/Broken": {
        "@odata.id": f"{UNIT}/Sensors/Broken",
        "Reading": 12.0,
        "Status": {"State": "UnavailableOffline"},
    },
    f"{UNIT}/Sensors/Absent": {"@odata.id": f"{UNIT}/Sensors/Absent", "Reading": None},
}
GRANT = "Basic " + base64.b64encode(b"ada:difference").decode()


class Refusal(Exception):
    """A change that the service does not carry out."""


def merge(resource: Any, body: Any, path: str = "") -> None:
    """Carry out a PATCH: members of objects one by one, of arrays by position."""
    if isinstance(resource, list) and isinstance(body, list):
        for old, new in zip(resource, body, strict=False):
            merge(old, new, path)
        return
    for name, value in body.items():
        if name in READ_ONLY or name not in resource:
            raise Refusal(f"The property {name} is read only or unknown.")
        if isinstance(value, dict | list):
            merge(resource[name], value, f"{path}/{name}")
        else:
            low, high = resource.get("AllowableMin"), resource.get("AllowableMax")
            if name == "SetPoint" and not low <= value <= high:
                raise Refusal(f"The value {value} of {name} is out of range.")
            resource[name] = value


class Service(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A resource, or that it has not changed."""
        resource = self._resource()
        if resource is None:
            return
        etag = etag_of(resource)
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, None, etag)
        else:
            self._answer(200, resource, etag)

    def do_PATCH(self) -> None:
        """Change a resource, if it still is what the client saw."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        resource = self._resource()
        if resource is None:
            return
        if self.headers.get("If-Match") != etag_of(resource):
            self._refuse(412 if "If-Match" in self.headers else 428, "The ETag does not match.")
            return
        changed = copy.deepcopy(resource)
        try:
            merge(changed, body)
        except Refusal as error:
            self._refuse(400, str(error))
            return
        RESOURCES[self.path] = changed
        print("write", self.path, json.dumps(body), flush=True)
        self._answer(200, changed, etag_of(changed))

    def _resource(self) -> Any:
        if self.path != "/redfish/v1/" and self.headers.get("Authorization") != GRANT:
            self._refuse(401, "There is no valid session.")
            return None
        if self.path not in RESOURCES:
            self._refuse(404, f"The resource {self.path} was not found.")
            return None
        return RESOURCES[self.path]

    def _refuse(self, status: int, message: str) -> None:
        info = [{"MessageId": "Base.1.19.GeneralError", "Message": message}]
        error = {"code": "Base.1.19.GeneralError", "@Message.ExtendedInfo": info}
        self._answer(status, {"error": error}, "")

    def _answer(self, status: int, body: Any, etag: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("OData-Version", "4.0")
        if etag:
            self.send_header("ETag", etag)
        if status != 304:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say which requests came, for tests that count them."""
        print("asked", format % args, flush=True)


def etag_of(resource: Any) -> str:
    """The tag of a resource's present state."""
    return '"' + hashlib.sha256(json.dumps(resource).encode()).hexdigest()[:16] + '"'


def main(port: str, certificate: str, key: str) -> None:
    """Serve until killed."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Service)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    print("ready", flush=True)
    server.serve_forever()


main(*sys.argv[1:])
