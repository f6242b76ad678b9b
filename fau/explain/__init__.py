"""What a trained network looks at: its own attention, class-activation maps, a transformer's attention, as pictures."""
