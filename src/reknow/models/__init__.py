"""Networks that know no method: trunks, attention, stems, the neck, the embedder."""
