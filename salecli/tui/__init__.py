"""The screens: they read the event stream and answer decisions, and add no logic to the auction."""
