"""How robust networks are: attacks compared, gradient masking, detection, common corruptions."""
