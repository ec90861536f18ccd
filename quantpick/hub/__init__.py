"""Facts from the Hub: branches, trees, configs, cards. Nothing is here yet: today's input is a saved card."""
