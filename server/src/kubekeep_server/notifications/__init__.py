"""Notifications: messages, their destinations, and the limits of the network. No SQL, no types of the API."""
