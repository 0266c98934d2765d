"""What Valmi's keys look like, for detect-secrets: its own detectors don't know them. Short ones are examples."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class ValmiKeyDetector(RegexBasedDetector):
    secret_type = "Valmi Key"
    denylist = [re.compile(r"(?<![A-Za-z0-9_])(?:agent|secret|token|sk_api|sk)_[A-Za-z0-9]{20,}")]
