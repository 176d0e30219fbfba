"""Training of Sightline's encoders: data, towers, losses, export and the cards that go with them."""
