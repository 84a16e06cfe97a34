"""The reader of bundles: every byte is accounted for before a native parser sees one of them."""
