"""A device's nodes behind a real OPC UA server (asyncua 2.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.address_space import AttributeValue
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from facility.devices import Device
from facility.points import Access, Point
from sim.devices.certificates import write_certificate
from sim.devices.nodes import PlantAttributes, PlantNodes, PointNode
from sim.devices.plant import Plant
from sim.recorder import Recorder

NAMESPACE = "urn:isotherm:simulated-devices"
POLICIES = {
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes128Sha256RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    "Aes256Sha256RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}
"""Policies that a site may name; messages are signed and encrypted under each."""


def security_policy(device: Device) -> ua.SecurityPolicyType:
    """The one policy that the device's server offers.

    ``security`` of a device begins with the policy's name; «None» wants a reason behind it
    (``None: REASON``).

    Raises
    ------
    ValueError
        The site names no policy, or one that there is not; the message names the mend.
    """
    name, _, reason = re.sub("_", "", device.security).partition(":")
    if name.strip() in POLICIES:
        return POLICIES[name.strip()]
    if name.strip() == "None" and reason.strip():
        return ua.SecurityPolicyType.NoSecurity
    known = ", ".join(POLICIES)
    raise ValueError(
        f"device {device.id}: security is {device.security!r}; name one of {known} in site.toml, "
        "or write «None: REASON» to go without"
    )


class OpcUaServer:
    """One device's OPC UA server.

    Parameters
    ----------
    device, points
        The device and its points, whose addresses are node ids.
    plant, recorder
        Read and written by tag; every write of a client is recorded.
    pki
        Where the server's certificate is written when the policy needs one.

    Raises
    ------
    ValueError
        The device's security or an address cannot be served.
    """

    def __init__(
        self, device: Device, points: Sequence[Point], plant: Plant, recorder: Recorder, pki: Path
    ) -> None:
        self._device, self._pki = device, pki
        self._policy = security_policy(device)
        self._nodes = PlantNodes(
            device.id, tuple(PointNode.of(point) for point in points), plant, recorder
        )
        self._server: Server | None = None
        self._watched: list[tuple[PointNode, AttributeValue]] = []
        self._reported: dict[ua.NodeId, ua.Variant | None] = {}

    async def prepare(self) -> Server:
        """Build the address space; listens to nothing yet."""
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://{self._device.host}:{self._device.port}/")
        server.set_server_name(f"Isotherm simulated device {self._device.id}")
        uri = f"{NAMESPACE}:{self._device.id}"
        await server.set_application_uri(uri)
        server.disable_clock()
        server.allow_remote_admin(False)
        server.set_security_policy([self._policy])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        if self._policy is not ua.SecurityPolicyType.NoSecurity:
            certificate, key = write_certificate(self._pki, self._device.id, uri, self._device.host)
            await server.load_certificate(certificate)
            await server.load_private_key(key)
        highest = max(
            (node.node_id.NamespaceIndex for node in self._nodes.by_id.values()), default=0
        )
        index, suffix = 1, ""
        while index < highest:
            index = await server.register_namespace(NAMESPACE + suffix)
            suffix = f":{index + 1}"
        await self._build(server)
        service = PlantAttributes(server.iserver.aspace, self._nodes)
        server.iserver.attribute_service = service
        self._server = server
        return server

    async def _build(self, server: Server) -> None:
        folders: dict[str, Node] = {}
        objects = server.get_objects_node()
        for node in self._nodes.by_id.values():
            point, index = node.point, node.node_id.NamespaceIndex
            if point.equipment not in folders:
                folders[point.equipment] = await objects.add_object(index, point.equipment)
            variable = await folders[point.equipment].add_variable(
                node.node_id,
                ua.QualifiedName(point.quantity, index),
                node.encode(0.0),
                varianttype=node.variant,
            )
            if point.access is not Access.READ:
                await variable.set_writable()
            space = server.iserver.aspace
            space.set_attribute_value_callback(
                node.node_id, AttributeIds.Value, self._nodes.reader(node)
            )
            self._watched.append((node, space[node.node_id].attributes[AttributeIds.Value]))

    async def start(self) -> None:
        """Listen on the device's address.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        server = self._server or await self.prepare()
        await server.start()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None and self._server.bserver is not None:
            await self._server.stop()
        self._server = None

    @property
    def connections(self) -> int:
        """Clients connected now."""
        if self._server is None or self._server.bserver is None:
            return 0
        return len(self._server.bserver.clients)

    async def notify(self) -> None:
        """Tell subscribers what has changed; costs nothing while there are none."""
        if self._server is None or not self._server.iserver.subscription_service.subscriptions:
            return
        for node, attribute in self._watched:
            if attribute.datachange_callbacks:
                value = self._nodes.value(node)
                if self._reported.get(node.node_id) != value.Value:
                    self._reported[node.node_id] = value.Value
                    for handle, callback in list(attribute.datachange_callbacks.items()):
                        await callback(handle, value)
