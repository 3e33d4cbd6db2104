"""training makes exports: corpus to labels to models, every number from a conversion that ran."""
