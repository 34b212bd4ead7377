"""What asks for an action of the operator: raised, acknowledged, cleared."""
