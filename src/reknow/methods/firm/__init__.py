"""FIRM: text as the bridge between visible and infrared pictures, and an evolving memory."""
