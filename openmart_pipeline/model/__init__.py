"""The words and values that every package shares: questions, prices, answers, events. No input or output."""
