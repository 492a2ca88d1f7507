"""Studies of the method: ablation, robustness, forgetting, plane recognition, speed."""
