"""Understanding messages: language, intent, entities; training and measuring the recogniser."""
