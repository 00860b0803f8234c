"""What API calls, file bytes and settings have in common: proxies, URLs, retry rules, header parsing."""
