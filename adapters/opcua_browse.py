"""What an OPC UA server says it holds, level by level."""

from __future__ import annotations

from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from adapters.driver import Place
from facility.points import DataType

_NAMES = {
    ua.VariantType.Boolean: DataType.BOOL,
    ua.VariantType.SByte: DataType.INT16,
    ua.VariantType.Byte: DataType.UINT16,
    ua.VariantType.Int16: DataType.INT16,
    ua.VariantType.UInt16: DataType.UINT16,
    ua.VariantType.Int32: DataType.INT32,
    ua.VariantType.UInt32: DataType.UINT32,
    ua.VariantType.Float: DataType.FLOAT32,
    ua.VariantType.Double: DataType.FLOAT64,
}
_ATTRIBUTES = (AttributeIds.Value, AttributeIds.UserAccessLevel)
_WRITES = 0x02
"""CurrentWrite (OPC UA part 3, 8.57)."""


async def places(client: Client, below: str) -> tuple[Place, ...]:
    """The objects and variables directly below a node; below the Objects folder if empty."""
    node = client.get_node(below) if below else client.nodes.objects
    mask: Any = ua.NodeClass.Object | ua.NodeClass.Variable  # a mask, which asyncua types as one
    references = await node.get_references(
        refs=ObjectIds.HierarchicalReferences,
        direction=ua.BrowseDirection.Forward,
        nodeclassmask=mask,
        includesubtypes=True,
    )
    own = [r for r in references if not _is_standard(r.NodeId)]
    variables = [r for r in own if r.NodeClass == ua.NodeClass.Variable]
    values = await _attributes(client, variables)
    found = []
    for reference in own:
        kind, value, writable = values.get(reference.NodeId, ("", None, False))
        name = str(reference.DisplayName.Text or reference.BrowseName.Name)
        is_object = reference.NodeClass == ua.NodeClass.Object
        address = reference.NodeId.to_string()
        found.append(Place(address, name, name, kind, value, writable, opens=is_object))
    return tuple(found)


def _is_standard(node: ua.ExpandedNodeId | ua.NodeId) -> bool:
    """Whether it is of namespace 0: the server's own diagnostics, none of the plant's."""
    return bool(node.NamespaceIndex == 0)


async def _attributes(
    client: Client, variables: list[ua.ReferenceDescription]
) -> dict[ua.NodeId, tuple[str, float | None, bool]]:
    if not variables:
        return {}
    parameters = ua.ReadParameters()
    parameters.NodesToRead = [
        ua.ReadValueId(NodeId=r.NodeId, AttributeId=attribute)
        for r in variables
        for attribute in _ATTRIBUTES
    ]
    try:
        answers = await client.uaclient.read(parameters)
    except UaError:
        return {}
    found: dict[ua.NodeId, tuple[str, float | None, bool]] = {}
    for index, reference in enumerate(variables):
        value, access = answers[2 * index : 2 * index + 2]
        variant = value.Value
        data_type = None if variant is None else _NAMES.get(variant.VariantType)
        plain = data_type is not None and variant is not None and not variant.is_array
        content = None if variant is None or not plain else variant.Value
        number = None if content is None else float(content)
        level = access.Value.Value if access.Value is not None else 0
        writable = bool(isinstance(level, int) and level & _WRITES)
        name = data_type.value if plain and data_type is not None else ""
        found[reference.NodeId] = (name, number, writable)
    return found
