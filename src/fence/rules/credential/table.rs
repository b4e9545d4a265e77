//! The formats, each with its source; and the one pass that looks for all of them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::check::{self, none};
use super::format::{
    ALNUM, ANY_HEX, BASE64, DASH, DIGITS, DOT, EQUALS, Format, HEX, LETTERS, LOWER, Part, Reader, UNDERSCORE, UPPER,
    URL_SAFE, is_all, is_word,
};

use Part::{Run, Text};
use Reader::{At, Inside, Named, Token};

/// Where an issuer does not write its format down, or not all of it: the rules of other programs that look for it.
const GITLEAKS: &str =
    "https://github.com/gitleaks/gitleaks/blob/b58d3f102cf3a2c84cb7f923d05c25c9b1aed84b/config/gitleaks.toml";

macro_rules! trufflehog {
    ($detector:literal) => {
        concat!(
            "https://github.com/trufflesecurity/trufflehog/blob/3ab759fef4bb5935d4fe9ac68b503d05346b8364/pkg/detectors/",
            $detector
        )
    };
}

macro_rules! detect_secrets {
    ($plugin:literal) => {
        concat!(
            "https://github.com/Yelp/detect-secrets/blob/5e141933554a0b74e7341841f318be21e895339c/detect_secrets/plugins/",
            $plugin
        )
    };
}

macro_rules! nosey_parker {
    ($commit:literal, $rules:literal) => {
        concat!(
            "https://github.com/praetorian-inc/noseyparker/blob/",
            $commit,
            "/crates/noseyparker/data/default/builtin/rules/",
            $rules
        )
    };
}

const GITHUB: &str = "https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/";
const GITHUB_INSTALLATION: &str =
    "https://github.blog/changelog/2026-05-15-github-app-installation-tokens-per-request-override-header/";
const NPM: &str = "https://github.blog/2021-09-23-announcing-npms-new-access-token-format/";
const STANDARD_WEBHOOKS: &str =
    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md";
const AZURE_SAS: &str = "https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas";
const DOCKER_CONFIG: &str = "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/";
const DYNATRACE: &str = "https://docs.dynatrace.com/docs/shortlink/token";
const K3S: &str = "https://docs.k3s.io/cli/token";
const AGE: &str = "https://github.com/C2SP/C2SP/blob/main/age.md#the-x25519-recipient-type";
const KUBECONFIG: &str = "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/";

// One row a format: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
pub static ROWS: &[Format] = &[
    row("GitHub token", GITHUB, &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        Token(&[Run(ALNUM, 36, 36)], check::crc_in_base62)),
    row("GitHub fine-grained token", GITLEAKS, &["github_pat_"],
        Token(&[Run(ALNUM, 22, 22), Text("_"), Run(ALNUM, 59, 59)], none)),
    row("GitHub installation token", GITHUB_INSTALLATION, &["ghs_"], At(check::github_installation)),
    row("GitLab token", GITLEAKS, &["glpat-", "gldt-", "glrt-", "glft-", "glsoat-", "glffct-"],
        Token(&[Run(URL_SAFE, 20, 20)], none)),
    row("GitLab routable token", GITLEAKS, &["glpat-", "glrt-t1_", "glrt-t2_", "glrt-t3_"],
        Token(&[Run(URL_SAFE, 27, 300), Text("."), Run(DIGITS | LOWER, 9, 9)], none)),
    row("GitLab versioned token", trufflehog!("gitlab/v3/gitlab_v3.go"), &["glpat-"],
        Token(&[Run(URL_SAFE, 27, 300), Text("."), Run(DIGITS | LOWER, 2, 2), Text("."), Run(DIGITS | LOWER, 9, 9)], none)),
    row("GitLab incoming mail token", GITLEAKS, &["glimt-"], Token(&[Run(URL_SAFE, 25, 25)], none)),
    row("GitLab runner registration token", GITLEAKS, &["GR1348941"], Token(&[Run(URL_SAFE, 20, 20)], none)),
    row("GitLab trigger token", GITLEAKS, &["glptt-"], Token(&[Run(HEX, 40, 40)], none)),
    row("GitLab agent token", GITLEAKS, &["glagent-"], Token(&[Run(URL_SAFE, 50, 50)], none)),
    row("GitLab application secret", GITLEAKS, &["gloas-"], Token(&[Run(ANY_HEX, 64, 64)], none)),
    row("Slack bot or user token", GITLEAKS, &["xoxb-", "xoxp-", "xoxe-", "xoxa-", "xoxr-", "xoxs-"],
        Token(&[Run(DIGITS, 8, 14), Text("-"), Run(ALNUM | DASH, 18, 120)], none)),
    row("Slack configuration token", GITLEAKS, &["xoxe.xoxb-", "xoxe.xoxp-", "xoxe-"],
        Token(&[Run(DIGITS, 1, 1), Text("-"), Run(UPPER | DIGITS, 146, 166)], none)),
    row("Slack app token", GITLEAKS, &["xapp-"],
        Token(&[Run(DIGITS, 1, 1), Text("-"), Run(UPPER | DIGITS, 8, 14), Text("-"), Run(DIGITS, 10, 14), Text("-"), Run(HEX, 64, 64)], none)),
    row("Slack webhook", trufflehog!("slackwebhook/slackwebhook.go"), &["hooks.slack.com/"],
        At(check::slack_webhook)),
    row("Stripe key", GITLEAKS, &["sk_live_", "sk_test_", "rk_live_", "rk_test_"],
        Token(&[Run(ALNUM, 24, 120)], none)),
    row("webhook signing secret", STANDARD_WEBHOOKS, &["whsec_"],
        Token(&[Run(BASE64, 32, 88), Run(EQUALS, 0, 2)], none)),
    row("AWS access key id", GITLEAKS, &["AKIA", "ASIA"], Token(&[Run(UPPER | DIGITS, 16, 16)], is_base32)),
    row("AWS secret access key", detect_secrets!("aws.py"),
        &["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"], Named(|value| is_all(value, BASE64, 40))),
    row("Amazon Bedrock key", GITLEAKS, &["ABSK"],
        Token(&[Run(BASE64, 109, 269), Run(EQUALS, 0, 2)], none)),
    row("Google API key", GITLEAKS, &["AIza"], Token(&[Run(URL_SAFE, 35, 35)], none)),
    row("Google client secret", nosey_parker!("3e92364f1cc1793fe3c42451dd1117bdaa6742a5", "google.yml"), &["GOCSPX-"],
        Token(&[Run(URL_SAFE, 28, 28)], none)),
    row("Google service account key", "https://cloud.google.com/iam/docs/keys-create-delete", &["service_account\"", "service_account\\\""],
        At(check::google_service_account)),
    row("Azure storage or service bus key", nosey_parker!("0be4c4c3fe587f72145c132e7b275094f1468463", "azure.yml"), &["AccountKey=", "SharedAccessKey="], At(check::azure_key)),
    row("Azure shared access signature", AZURE_SAS,
        &["sig="], At(check::azure_sas)),
    row("Azure client secret", GITLEAKS, &["Q~"],
        Inside(check::azure_client_secret)),
    row("npm token", NPM, &["npm_"],
        Token(&[Run(ALNUM, 36, 36)], check::crc_in_base62)),
    row("PyPI token", detect_secrets!("pypi_token.py"), &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        Token(&[Run(URL_SAFE, 50, 1000)], none)),
    row("RubyGems key", GITLEAKS, &["rubygems_"], Token(&[Run(HEX, 48, 48)], none)),
    row("Docker Hub token", trufflehog!("dockerhub/v2/dockerhub.go"), &["dckr_pat_", "dckr_oat_"],
        Token(&[Run(URL_SAFE, 27, 32)], none)),
    row("registry login", DOCKER_CONFIG, &["\"auth\""],
        Inside(check::docker_auth)),
    row("Vault token", GITLEAKS, &["hvs."], Token(&[Run(URL_SAFE, 90, 120)], none)),
    row("Vault batch token", GITLEAKS, &["hvb."], Token(&[Run(URL_SAFE, 138, 300)], none)),
    row("HCP Terraform token", GITLEAKS,
        &[".atlasv1."], Inside(check::terraform)),
    row("DigitalOcean token", GITLEAKS, &["dop_v1_", "doo_v1_", "dor_v1_"], Token(&[Run(HEX, 64, 64)], none)),
    row("Twilio auth token", trufflehog!("twilio/twilio.go"), &["TWILIO_AUTH_TOKEN"],
        Named(|value| is_all(value, HEX, 32))),
    row("SendGrid key", detect_secrets!("sendgrid.py"), &["SG."],
        Token(&[Run(URL_SAFE, 22, 22), Text("."), Run(URL_SAFE, 43, 43)], none)),
    row("Mailgun key", trufflehog!("mailgun/mailgun.go"),
        &["MAILGUN_API_KEY", "MAILGUN_KEY", "MAILGUN_PRIVATE_KEY", "MAILGUN_SENDING_KEY"], Named(is_mailgun)),
    row("Mailchimp key", GITLEAKS, &["MAILCHIMP_API_KEY", "MAILCHIMP_KEY"],
        Named(|value| value.split_once("-us").is_some_and(|(key, center)| is_all(key, HEX, 32) && center.parse::<u8>().is_ok()))),
    row("Brevo key", GITLEAKS, &["xkeysib-", "xsmtpsib-"],
        Token(&[Run(HEX, 64, 64), Text("-"), Run(ALNUM, 16, 16)], none)),
    row("OpenAI key", GITLEAKS, &["sk-"], Token(&[Run(URL_SAFE, 48, 200)], check::openai)),
    row("Anthropic key", GITLEAKS, &["sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-"],
        Token(&[Run(URL_SAFE, 95, 95)], |token| token.ends_with("AA"))),
    row("Hugging Face token", GITLEAKS, &["hf_", "api_org_"], Token(&[Run(LETTERS, 34, 34)], none)),
    row("Groq key", trufflehog!("groq/groq.go"), &["gsk_"], Token(&[Run(ALNUM, 52, 52)], none)),
    row("Perplexity key", GITLEAKS, &["pplx-"], Token(&[Run(ALNUM, 48, 48)], none)),
    row("Replicate token", trufflehog!("replicate/replicate.go"), &["r8_"], Token(&[Run(ALNUM, 37, 37)], none)),
    row("Telegram bot token", GITLEAKS, &[":AA"], Inside(check::telegram)),
    row("Discord webhook", trufflehog!("discordwebhook/discordwebhook.go"),
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], At(check::discord_webhook)),
    row("Datadog API key", trufflehog!("datadogtoken/datadogtoken.go"), &["DD_API_KEY", "DATADOG_API_KEY"], Named(|value| is_all(value, HEX, 32))),
    row("Datadog application key", trufflehog!("datadogtoken/datadogtoken.go"), &["DD_APP_KEY", "DD_APPLICATION_KEY", "DATADOG_APP_KEY", "DATADOG_APPLICATION_KEY"],
        Named(|value| is_all(value, HEX, 40))),
    row("New Relic user key", GITLEAKS, &["NRAK-"], Token(&[Run(UPPER | DIGITS, 27, 27)], none)),
    row("New Relic license key", trufflehog!("newreliclicensekey/newreliclicensekey.go"), &["NEW_RELIC_LICENSE_KEY", "NEWRELIC_LICENSE_KEY", "NRIA_LICENSE_KEY"],
        Named(|value| is_all(value, ALNUM, 40) && (value.ends_with("NRAL") || is_all(value, HEX, 40)))),
    row("Grafana service account token", GITLEAKS, &["glsa_"],
        Token(&[Run(ALNUM, 32, 32), Text("_"), Run(ANY_HEX, 8, 8)], none)),
    row("Grafana Cloud token", GITLEAKS,
        &["glc_ey"], Token(&[Run(BASE64, 60, 400), Run(EQUALS, 0, 3)], none)),
    row("Sentry token", GITLEAKS, &["sntryu_"], Token(&[Run(HEX, 64, 64)], none)),
    row("Sentry organization token", GITLEAKS, &["sntrys_eyJ"],
        Token(&[Run(BASE64, 40, 420), Run(EQUALS, 0, 2), Text("_"), Run(BASE64, 43, 43)], none)),
    row("Cloudflare token", trufflehog!("cloudflareapitoken/v1/cloudflareapitoken.go"),
        &["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_DNS_API_TOKEN", "CF_DNS_API_TOKEN"], Named(|value| is_all(value, URL_SAFE, 40))),
    row("Cloudflare prefixed token", trufflehog!("cloudflareapitoken/v2/cloudflareapitoken.go"), &["cfut_", "cfat_"],
        Token(&[Run(ALNUM, 40, 40), Run(HEX, 8, 8)], none)),
    row("Cloudflare origin CA key", GITLEAKS, &["v1.0-"],
        Token(&[Run(HEX, 24, 24), Text("-"), Run(HEX, 146, 146)], none)),
    row("Heroku key", GITLEAKS, &["HRKU-AA"], Token(&[Run(URL_SAFE, 58, 58)], none)),
    row("Databricks token", GITLEAKS, &["dapi"],
        Token(&[Run(HEX, 32, 32), Run(DASH | DIGITS, 0, 2)], is_databricks)),
    row("Doppler token", trufflehog!("doppler/doppler.go"),
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], Token(&[Run(ALNUM, 40, 44)], none)),
    row("Doppler service token", trufflehog!("doppler/doppler.go"), &["dp.st."],
        Token(&[Run(LOWER | DIGITS | DASH | UNDERSCORE, 2, 35), Text("."), Run(ALNUM, 40, 44)], none)),
    row("Pulumi token", GITLEAKS, &["pul-"],
        Token(&[Run(HEX, 40, 40)], none)),
    row("Linear key", GITLEAKS, &["lin_api_"], Token(&[Run(ALNUM, 40, 40)], none)),
    row("Postman key", GITLEAKS, &["PMAK-"],
        Token(&[Run(HEX, 24, 24), Text("-"), Run(HEX, 34, 34)], none)),
    row("PlanetScale password or token", GITLEAKS, &["pscale_pw_", "pscale_tkn_", "pscale_oauth_"],
        Token(&[Run(ALNUM | UNDERSCORE | DASH | DOT | EQUALS, 32, 64)], none)),
    row("Shopify token", GITLEAKS, &["shpat_", "shpca_", "shppa_", "shpss_"], Token(&[Run(ANY_HEX, 32, 32)], none)),
    row("Square token", GITLEAKS, &["sq0atp-", "sq0csp-"],
        Token(&[Run(URL_SAFE, 22, 43)], none)),
    row("Dynatrace token", DYNATRACE,
        &["dt0c01.", "dt0s01.", "dt0s02.", "dt0s03.", "dt0s04.", "dt0s06.", "dt0s08.", "dt0s09.", "dt0s16."],
        Token(&[Run(UPPER | DIGITS, 24, 24), Text("."), Run(UPPER | DIGITS, 64, 64)], none)),
    row("1Password service account token", GITLEAKS, &["ops_eyJ"],
        Token(&[Run(BASE64, 250, 1024), Run(EQUALS, 0, 3)], none)),
    row("OpenShift token", GITLEAKS,
        &["sha256~"], Token(&[Run(URL_SAFE, 43, 43)], none)),
    row("Atlassian token", GITLEAKS, &["ATATT3"], Token(&[Run(URL_SAFE | EQUALS, 186, 186)], none)),
    row("Artifactory key", GITLEAKS, &["AKCp"], Token(&[Run(ALNUM, 69, 69)], none)),
    row("Artifactory reference token", trufflehog!("artifactoryreferencetoken/artifactoryreferencetoken.go"), &["cmVmdGtu"],
        Token(&[Run(ALNUM, 56, 56)], none)),
    row("SonarQube token", GITLEAKS, &["squ_", "sqp_", "sqa_"], Token(&[Run(HEX, 40, 40)], none)),
    row("CircleCI token", trufflehog!("circleci/v2/circleci.go"), &["CCIPAT_"],
        Token(&[Run(ALNUM, 22, 22), Text("_"), Run(ANY_HEX, 40, 40)], none)),
    row("Buildkite token", trufflehog!("buildkite/v2/buildkite.go"), &["bkua_"], Token(&[Run(LOWER | DIGITS, 40, 40)], none)),
    row("Notion token", GITLEAKS, &["ntn_"], Token(&[Run(DIGITS, 11, 11), Run(ALNUM, 35, 35)], none)),
    row("Airtable token", GITLEAKS, &["pat"],
        Token(&[Run(ALNUM, 14, 14), Text("."), Run(HEX, 64, 64)], none)),
    row("HubSpot token", trufflehog!("hubspot_apikey/v2/apikey.go"), &["pat-na1-", "pat-eu1-"],
        Token(&[Run(ANY_HEX, 8, 8), Text("-"), Run(ANY_HEX, 4, 4), Text("-"), Run(ANY_HEX, 4, 4), Text("-"), Run(ANY_HEX, 4, 4), Text("-"), Run(ANY_HEX, 12, 12)], none)),
    row("Microsoft Teams webhook", GITLEAKS, &[".webhook.office.com/webhookb2/"], Inside(check::teams_webhook)),
    row("Tailscale key", trufflehog!("tailscale/tailscale.go"), &["tskey-auth-", "tskey-api-", "tskey-client-"],
        Token(&[Run(ALNUM, 10, 32), Text("-"), Run(ALNUM, 20, 64)], none)),
    row("Supabase token", trufflehog!("supabasetoken/supabasetoken.go"), &["sbp_"], Token(&[Run(LOWER | DIGITS, 40, 40)], none)),
    row("PostHog personal key", trufflehog!("posthog/posthog.go"), &["phx_"], Token(&[Run(ALNUM | UNDERSCORE, 43, 48)], none)),
    row("OpenRouter key", trufflehog!("openrouter/openrouter.go"), &["sk-or-v1-"], Token(&[Run(HEX, 64, 64)], none)),
    row("xAI key", trufflehog!("xai/xai.go"), &["xai-"], Token(&[Run(ALNUM | UNDERSCORE, 80, 80)], none)),
    row("LangSmith key", trufflehog!("langsmith/langsmith.go"), &["lsv2_pt_", "lsv2_sk_"],
        Token(&[Run(HEX, 32, 32), Text("_"), Run(HEX, 10, 10)], none)),
    row("K3s token", K3S, &["K10"],
        Token(&[Run(HEX, 64, 64), Text("::"), Run(LOWER | DIGITS, 4, 8), Text(":"), Run(ALNUM, 16, 128)], none)),
    row("age secret key", AGE, &["AGE-SECRET-KEY-1"],
        Token(&[Run(UPPER | DIGITS, 58, 58)], check::bech32)),
    row("private key", "https://www.rfc-editor.org/rfc/rfc7468", &["-----BEGIN "], Inside(check::pem)),
    row("private key in base64", KUBECONFIG, &["LS0tLS1CRUdJTi"],
        At(check::pem_in_base64)),
    row("JSON Web Token", "https://www.rfc-editor.org/rfc/rfc7519", &["eyJ", "ewog"], At(check::jwt)),
    row("basic authentication", "https://www.rfc-editor.org/rfc/rfc7617", &["Basic ", "basic "], At(check::basic)),
];

const fn row(name: &'static str, source: &'static str, marks: &'static [&'static str], reader: Reader) -> Format {
    Format { name, source, marks, reader }
}

/// What the value holds: the first format of the words from the left, then of what stands within words.
pub fn find(value: &str) -> Option<&'static str> {
    let bytes = value.as_bytes();
    if bytes.len() < SHORTEST {
        return None;
    }
    let mut in_word = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if !in_word {
            for (mark, row) in &MARKS.first[usize::from(byte)] {
                if bytes[at..].starts_with(mark.as_bytes()) && row.reads(value, at, mark) {
                    return Some(row.name);
                }
            }
        }
        in_word = is_word(byte);
    }
    let inside = |(finder, mark, row): &(Finder<'static>, &'static str, &'static Format)| {
        finder.find_iter(bytes).any(|at| row.reads(value, at, mark)).then_some(row.name)
    };
    MARKS.inside.iter().find_map(inside)
}

/// What the value is, of a variable of this name.
pub fn find_named(name: &str, value: &str) -> Option<&'static str> {
    // Nothing that goes by its name is longer.
    const LONGEST: usize = 80;
    if !(SHORTEST..=LONGEST).contains(&value.len()) || name.len() > LONGEST {
        return None;
    }
    let spelt = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    let name: Vec<u8> = name.bytes().map(spelt).collect();
    let goes_by = |mark: &str| {
        name.strip_suffix(mark.as_bytes()).is_some_and(|before| before.last().is_none_or(|last| *last == b'_'))
    };
    let row = MARKS.named.iter().find(|(_, marks, is)| marks.iter().any(|mark| goes_by(mark)) && is(value));
    row.filter(|_| check::is_random(value)).map(|(name, ..)| *name)
}

/// `Basic dTpwYXNz`
const SHORTEST: usize = 12;

type NamedRow = (&'static str, &'static [&'static str], fn(&str) -> bool);

struct Marks {
    /// By the first byte.
    first: [Vec<(&'static str, &'static Format)>; 256],
    inside: Vec<(Finder<'static>, &'static str, &'static Format)>,
    named: Vec<NamedRow>,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let mut marks = Marks { first: [const { Vec::new() }; 256], inside: Vec::new(), named: Vec::new() };
    for row in ROWS {
        if let Named(is) = row.reader {
            marks.named.push((row.name, row.marks, is));
            continue;
        }
        for &mark in row.marks {
            match row.reader {
                Inside(_) => marks.inside.push((Finder::new(mark), mark, row)),
                _ => marks.first[usize::from(mark.as_bytes()[0])].push((mark, row)),
            }
        }
    }
    marks
});

/// A dash and a digit may follow the key: `-2`.
fn is_databricks(token: &str) -> bool {
    let tail = token.get("dapi".len() + 32..).unwrap_or("").as_bytes();
    tail.is_empty() || matches!(tail, [b'-', digit] if digit.is_ascii_digit())
}

/// The alphabet of base 32 has no 0, 1, 8 and 9.
fn is_base32(token: &str) -> bool {
    !token.bytes().any(|byte| matches!(byte, b'0' | b'1' | b'8' | b'9'))
}

fn is_mailgun(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    match parts[..] {
        ["key", key] => is_all(key, HEX, 32),
        [first, second, third] => is_all(first, HEX, 32) && is_all(second, HEX, 8) && is_all(third, HEX, 8),
        _ => false,
    }
}
