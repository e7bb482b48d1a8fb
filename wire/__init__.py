"""What agent and collector say to each other: structs with limits, and their encoding."""
