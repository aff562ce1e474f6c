"""Which merge of given parents a checkpoint is: one file a method, one order of work."""
