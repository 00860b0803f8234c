"""What every connection needs: proxies, URLs, retry rules, header parsing."""
