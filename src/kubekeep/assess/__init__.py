"""Resources x Controls -> Assessment: pure and streaming. Values reach it as arguments; it never reads or prints."""
