"""Stand-ins for other people's servers, speaking HTTP on the loopback interface."""
