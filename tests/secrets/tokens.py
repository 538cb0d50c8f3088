"""Made-up tokens in the formats that vendors document; random, so that none is valid."""

from __future__ import annotations

import random
import string
from typing import Final

_HEX: Final = "0123456789abcdef"
_LOWER: Final = string.ascii_lowercase + string.digits
_UPPER: Final = string.ascii_uppercase + string.digits
_ALL: Final = string.ascii_letters + string.digits
_TEMPLATES: Final = {
    # A letter stands for one random character: h hexadecimal, l lower case, u upper case, a any. The number repeats it.
    "1Password service account": ("ops_eyJ", "a200"),
    "age": ("AGE-SECRET-KEY-1", "u58"),
    "Airtable": ("pat", "a14", ".", "h64"),
    "Alibaba Cloud": ("LTAI", "a20"),
    "Anthropic": ("sk-ant-api03-", "a93", "AA"),
    "Anthropic admin": ("sk-ant-admin01-", "a93"),
    "Atlassian API": ("ATATT3xFfGF0", "a180"),
    "Atlassian Bitbucket": ("ATBB", "a32"),
    "AWS access key": ("AKIA", "u16"),
    "AWS temporary key": ("ASIA", "u16"),
    "Azure Entra ID": ("abc8Q~", "a34"),
    "Azure DevOps": ("a76", "AZDO", "a4"),
    "Brevo": ("xkeysib-", "h64", "-", "a16"),
    "Buildkite": ("bkua_", "h40"),
    "CircleCI": ("CCIPAT_", "a22", "_", "h40"),
    "Clojars": ("CLOJARS_", "h60"),
    "Cloudflare origin": ("v1.0-", "h24", "-", "h146"),
    "Contentful": ("CFPAT-", "a43"),
    "crates.io": ("cio", "a32"),
    "Databricks": ("dapi", "h32"),
    "dbt": ("dbtc_", "a40"),
    "Facebook user": ("EAACEdEose0cBA", "a160"),
    "Facebook page": ("EAAG", "a150"),
    "Facebook application": ("1234567890123456|", "a27"),
    "DigitalOcean": ("dop_v1_", "h64"),
    "DigitalOcean OAuth": ("doo_v1_", "h64"),
    "Discord": ("M", "a25", ".G", "a5", ".", "a38"),
    "Docker": ("dckr_pat_", "a27"),
    "Docker organisation": ("dckr_oat_", "a32"),
    "Doppler": ("dp.st.prd.", "a40"),
    "Dynatrace": ("dt0c01.", "u24", ".", "u64"),
    "EasyPost": ("EZAK", "a54"),
    "Figma": ("figd_", "a40"),
    "Flutterwave": ("FLWSECK_TEST-", "h32", "-X"),
    "Fly.io": ("fm2_", "a100"),
    "GitHub": ("ghp_", "a36"),
    "GitHub app": ("ghs_", "a36"),
    "GitHub fine-grained": ("github_pat_", "a22", "_", "a59"),
    "GitLab": ("glpat-", "a20"),
    "GitLab deploy token": ("gldt-", "a20"),
    "GitLab runner": ("glrt-", "a20"),
    "GitLab runner registration": ("GR1348941", "a20"),
    "GitLab CI job": ("glcbt-64_", "a20"),
    "GitLab agent": ("glagent-", "a50"),
    "Google API": ("AIza", "a35"),
    "Google OAuth secret": ("GOCSPX-", "a28"),
    "Google OAuth access": ("ya29.", "a120"),
    "Google OAuth refresh": ("1//0", "a60"),
    "Grafana Cloud": ("glc_", "a60"),
    "Grafana service account": ("glsa_", "a32", "_", "h8"),
    "Groq": ("gsk_", "a52"),
    "HCP Terraform": ("a14", ".atlasv1.", "a67"),
    "Heroku": ("HRKU-", "a60"),
    "Hugging Face": ("hf_", "a34"),
    "JFrog": ("AKC", "a70"),
    "LangSmith": ("lsv2_pt_", "h32", "_", "h10"),
    "LaunchDarkly": ("sdk-", "h8", "-", "h4", "-", "h4", "-", "h4", "-", "h12"),
    "Linear": ("lin_api_", "a40"),
    "Mailchimp": ("h32", "-us12"),
    "Mailgun": ("key-", "h32"),
    "MongoDB Atlas": ("mdb_sa_sk_", "a40"),
    "Neon": ("napi_", "l64"),
    "Netlify": ("nfp_", "a36"),
    "New Relic user": ("NRAK-", "u27"),
    "New Relic licence": ("h36", "NRAL"),
    "New Relic insert": ("NRII-", "a32"),
    "Notion": ("ntn_", "a46"),
    "npm": ("npm_", "a36"),
    "NuGet": ("oy2", "l43"),
    "NVIDIA": ("nvapi-", "a64"),
    "OpenAI": ("sk-", "a20", "T3BlbkFJ", "a20"),
    "OpenAI project": ("sk-proj-", "a74", "T3BlbkFJ", "a74"),
    "OpenAI service account": ("sk-svcacct-", "a60"),
    "OpenRouter": ("sk-or-v1-", "h64"),
    "Perplexity": ("pplx-", "a48"),
    "Pinecone": ("pcsk_", "a70"),
    "PlanetScale": ("pscale_tkn_", "a43"),
    "Postman": ("PMAK-", "h24", "-", "h34"),
    "Prefect": ("pnu_", "a36"),
    "Pulumi": ("pul-", "h40"),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc", "a120"),
    "ReadMe": ("rdme_", "l70"),
    "Replicate": ("r8_", "a37"),
    "Resend": ("re_", "a8", "_", "a24"),
    "RubyGems": ("rubygems_", "h48"),
    "SendGrid": ("SG.", "a22", ".", "a43"),
    "Sentry organisation": ("sntrys_", "a120"),
    "Shopify": ("shpat_", "h32"),
    "Shopify secret": ("shpss_", "h32"),
    "Slack bot": ("xoxb-1234567890-1234567890-", "a24"),
    "Slack user": ("xoxp-1234567890-", "h32"),
    "Slack app": ("xapp-1-A0", "u9", "-1234567890-", "h64"),
    "Slack webhook": ("https://hooks.slack.com/services/T0000/B0000/", "a24"),
    "SonarQube": ("squ_", "h40"),
    "Sourcegraph": ("sgp_", "h16", "_", "h40"),
    "Square": ("sq0csp-", "a43"),
    "Stripe": ("sk_live_", "a24"),
    "Stripe restricted": ("rk_live_", "a24"),
    "Stripe webhook": ("whsec_", "a32"),
    "Supabase": ("sbp_", "h40"),
    "Tailscale": ("tskey-auth-", "a12", "CNTRL-", "a32"),
    "Telegram": ("1234567890:AA", "a33"),
    "Twilio": ("SK", "h32"),
    "Typeform": ("tfp_", "a59"),
    "Vault": ("hvs.", "a90"),
    "Vault batch": ("hvb.", "a90"),
    "Vault before 1.10": ("s.", "a24"),
    "xAI": ("xai-", "a80"),
    "JSON Web Token": ("eyJ", "a33", ".eyJ", "a60", ".", "a43"),
}
_ALPHABETS: Final = {"h": _HEX, "l": _LOWER, "u": _UPPER, "a": _ALL}


def create_tokens(source: random.Random) -> dict[str, str]:
    """Return one token of each format, by name."""
    return {name: "".join(_fill(part, source) for part in template) for name, template in _TEMPLATES.items()}


def _fill(part: str, source: random.Random) -> str:
    """Return random characters for a letter with a number, and any other part as it is."""
    if part[0] in _ALPHABETS and part[1:].isdecimal():
        return "".join(source.choices(_ALPHABETS[part[0]], k=int(part[1:])))
    return part
