"""From the rows of a file to questions, a plan and a quote. Free: nothing here can spend."""
