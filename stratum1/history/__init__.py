"""What the server did over days, kept in SQLite with few writes. Nothing is kept yet; the page shows what the running daemon remembers."""
