"""GitHub.com and GitHub Enterprise Server, with a personal token or as a GitHub App."""
