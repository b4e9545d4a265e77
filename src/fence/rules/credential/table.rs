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

const GITHUB: &str = "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats";
const GITLAB: &str = "https://docs.gitlab.com/security/tokens/#token-prefixes";
const SLACK: &str = "https://docs.slack.dev/authentication/tokens";
const VAULT: &str = "https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes";
const AZURE_STORAGE: &str =
    "https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string";
const DIGITALOCEAN: &str = "https://docs.digitalocean.com/reference/api/create-personal-access-token/";
const OPENAI: &str = "https://platform.openai.com/docs/api-reference/authentication";
const ANTHROPIC: &str = "https://docs.anthropic.com/en/api/overview";
const AWS_KEYS: &str =
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids";
const SHOPIFY: &str = "https://shopify.dev/changelog/length-of-the-shopify-access-token-is-increasing";
const NEW_RELIC: &str = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/";
const DATADOG: &str = "https://docs.datadoghq.com/account_management/api-app-keys/";

// One row a format: laid out by rustfmt nobody would read it.
#[rustfmt::skip]
pub static ROWS: &[Format] = &[
    row("GitHub token", GITHUB, &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        Token(&[Run(ALNUM, 36, 36)], check::crc_in_base62)),
    row("GitHub fine-grained token", GITHUB, &["github_pat_"],
        Token(&[Run(ALNUM, 22, 22), Text("_"), Run(ALNUM, 59, 59)], none)),
    row("GitLab token", GITLAB, &["glpat-", "gldt-", "glrt-", "glft-", "glsoat-", "glffct-"],
        Token(&[Run(URL_SAFE, 20, 20)], none)),
    row("GitLab routable token", GITLAB, &["glpat-", "gldt-", "glrt-t1_", "glrt-t2_", "glrt-t3_"],
        Token(&[Run(URL_SAFE, 27, 300), Text("."), Run(DIGITS | LOWER, 9, 9)], none)),
    row("GitLab trigger token", GITLAB, &["glptt-"], Token(&[Run(HEX, 40, 40)], none)),
    row("GitLab agent token", GITLAB, &["glagent-"], Token(&[Run(URL_SAFE, 50, 50)], none)),
    row("GitLab application secret", GITLAB, &["gloas-"], Token(&[Run(ANY_HEX, 64, 64)], none)),
    row("Slack bot or user token", SLACK, &["xoxb-", "xoxp-", "xoxe-", "xoxa-", "xoxr-", "xoxs-"],
        Token(&[Run(DIGITS, 8, 14), Text("-"), Run(ALNUM | DASH, 18, 120)], none)),
    row("Slack app token", SLACK, &["xapp-"],
        Token(&[Run(DIGITS, 1, 1), Text("-"), Run(UPPER | DIGITS, 8, 14), Text("-"), Run(DIGITS, 10, 14), Text("-"), Run(HEX, 64, 64)], none)),
    row("Slack webhook", "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks", &["hooks.slack.com/"],
        At(check::slack_webhook)),
    row("Stripe key", "https://docs.stripe.com/keys", &["sk_live_", "sk_test_", "rk_live_", "rk_test_"],
        Token(&[Run(ALNUM, 24, 120)], none)),
    row("Stripe webhook secret", "https://docs.stripe.com/webhooks/signature", &["whsec_"], Token(&[Run(BASE64, 32, 64)], none)),
    row("AWS access key id", AWS_KEYS, &["AKIA", "ASIA"], Token(&[Run(UPPER | DIGITS, 16, 16)], is_base32)),
    row("AWS secret access key", "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html",
        &["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"], Named(|value| is_all(value, BASE64, 40))),
    row("Amazon Bedrock key", "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html", &["ABSK"],
        Token(&[Run(BASE64, 109, 269), Run(EQUALS, 0, 2)], none)),
    row("Google API key", "https://cloud.google.com/docs/authentication/api-keys", &["AIza"], Token(&[Run(URL_SAFE, 35, 35)], none)),
    row("Google client secret", "https://developers.google.com/identity/protocols/oauth2/web-server", &["GOCSPX-"],
        Token(&[Run(URL_SAFE, 28, 28)], none)),
    row("Google service account key", "https://cloud.google.com/iam/docs/keys-create-delete", &["service_account\"", "service_account\\\""],
        At(check::google_service_account)),
    row("Azure storage or service bus key", AZURE_STORAGE, &["AccountKey=", "SharedAccessKey="], At(check::azure_key)),
    row("Azure shared access signature", "https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas",
        &["sig="], At(check::azure_sas)),
    row("Azure client secret", "https://learn.microsoft.com/en-us/purview/sit-defn-azure-ad-client-secret", &["Q~"],
        Inside(check::azure_client_secret)),
    row("npm token", "https://github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format/", &["npm_"],
        Token(&[Run(ALNUM, 36, 36)], check::crc_in_base62)),
    row("PyPI token", "https://pypi.org/help/#apitoken", &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        Token(&[Run(URL_SAFE, 50, 1000)], none)),
    row("RubyGems key", "https://guides.rubygems.org/api-key-scopes/", &["rubygems_"], Token(&[Run(HEX, 48, 48)], none)),
    row("Docker Hub token", "https://docs.docker.com/security/access-tokens/", &["dckr_pat_", "dckr_oat_"],
        Token(&[Run(URL_SAFE, 27, 32)], none)),
    row("registry login", "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/", &["\"auth\""],
        Inside(check::docker_auth)),
    row("Vault token", VAULT, &["hvs.", "hvr."], Token(&[Run(URL_SAFE, 90, 120)], none)),
    row("Vault batch token", VAULT, &["hvb."], Token(&[Run(URL_SAFE, 138, 300)], none)),
    row("HCP Terraform token", "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens",
        &[".atlasv1."], Inside(check::terraform)),
    row("DigitalOcean token", DIGITALOCEAN, &["dop_v1_", "doo_v1_", "dor_v1_"], Token(&[Run(HEX, 64, 64)], none)),
    row("Twilio auth token", "https://www.twilio.com/docs/iam/api/authtoken", &["TWILIO_AUTH_TOKEN"],
        Named(|value| is_all(value, HEX, 32))),
    row("SendGrid key", "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys", &["SG."],
        Token(&[Run(URL_SAFE, 22, 22), Text("."), Run(URL_SAFE, 43, 43)], none)),
    row("Mailgun key", "https://documentation.mailgun.com/docs/mailgun/user-manual/api-key-mgmt/rbac-mgmt",
        &["MAILGUN_API_KEY", "MAILGUN_KEY", "MAILGUN_PRIVATE_KEY", "MAILGUN_SENDING_KEY"], Named(is_mailgun)),
    row("Mailchimp key", "https://mailchimp.com/developer/marketing/guides/quick-start/", &["MAILCHIMP_API_KEY", "MAILCHIMP_KEY"],
        Named(|value| value.split_once("-us").is_some_and(|(key, center)| is_all(key, HEX, 32) && center.parse::<u8>().is_ok()))),
    row("Brevo key", "https://developers.brevo.com/docs/getting-started", &["xkeysib-", "xsmtpsib-"],
        Token(&[Run(HEX, 64, 64), Text("-"), Run(ALNUM, 16, 16)], none)),
    row("OpenAI key", OPENAI, &["sk-"], Token(&[Run(URL_SAFE, 48, 200)], check::openai)),
    row("Anthropic key", ANTHROPIC, &["sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-"],
        Token(&[Run(URL_SAFE, 95, 95)], |token| token.ends_with("AA"))),
    row("Hugging Face token", "https://huggingface.co/docs/hub/security-tokens", &["hf_", "api_org_"], Token(&[Run(LETTERS, 34, 34)], none)),
    row("Groq key", "https://console.groq.com/docs/quickstart", &["gsk_"], Token(&[Run(ALNUM, 52, 52)], none)),
    row("Perplexity key", "https://docs.perplexity.ai/guides/api-key-management", &["pplx-"], Token(&[Run(ALNUM, 48, 48)], none)),
    row("Replicate token", "https://replicate.com/docs/topics/security/api-tokens", &["r8_"], Token(&[Run(ALNUM, 37, 37)], none)),
    row("Telegram bot token", "https://core.telegram.org/bots/api#authorizing-your-bot", &[":AA"], Inside(check::telegram)),
    row("Discord webhook", "https://discord.com/developers/docs/resources/webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], At(check::discord_webhook)),
    row("Datadog API key", DATADOG, &["DD_API_KEY", "DATADOG_API_KEY"], Named(|value| is_all(value, HEX, 32))),
    row("Datadog application key", DATADOG, &["DD_APP_KEY", "DD_APPLICATION_KEY", "DATADOG_APP_KEY", "DATADOG_APPLICATION_KEY"],
        Named(|value| is_all(value, HEX, 40))),
    row("New Relic user key", NEW_RELIC, &["NRAK-"], Token(&[Run(UPPER | DIGITS, 27, 27)], none)),
    row("New Relic license key", NEW_RELIC, &["NEW_RELIC_LICENSE_KEY", "NEWRELIC_LICENSE_KEY", "NRIA_LICENSE_KEY"],
        Named(|value| is_all(value, ALNUM, 40) && (value.ends_with("NRAL") || is_all(value, HEX, 40)))),
    row("Grafana service account token", "https://grafana.com/docs/grafana/latest/administration/service-accounts/", &["glsa_"],
        Token(&[Run(ALNUM, 32, 32), Text("_"), Run(ANY_HEX, 8, 8)], none)),
    row("Grafana Cloud token", "https://grafana.com/docs/grafana-cloud/account-management/authentication-and-permissions/access-policies/",
        &["glc_ey"], Token(&[Run(BASE64, 60, 400), Run(EQUALS, 0, 3)], none)),
    row("Sentry token", "https://docs.sentry.io/account/auth-tokens/", &["sntryu_"], Token(&[Run(HEX, 64, 64)], none)),
    row("Cloudflare token", "https://developers.cloudflare.com/fundamentals/api/get-started/create-token/",
        &["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_DNS_API_TOKEN", "CF_DNS_API_TOKEN"], Named(|value| is_all(value, URL_SAFE, 40))),
    row("Cloudflare origin CA key", "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/", &["v1.0-"],
        Token(&[Run(HEX, 24, 24), Text("-"), Run(HEX, 146, 146)], none)),
    row("Heroku key", "https://devcenter.heroku.com/articles/platform-api-quickstart", &["HRKU-AA"], Token(&[Run(URL_SAFE, 58, 58)], none)),
    row("Databricks token", "https://docs.databricks.com/aws/en/dev-tools/auth/pat", &["dapi"],
        Token(&[Run(HEX, 32, 32)], none)),
    row("Doppler token", "https://docs.doppler.com/reference/auth-token-formats", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."],
        Token(&[Run(ALNUM, 40, 44)], none)),
    row("Pulumi token", "https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/", &["pul-"],
        Token(&[Run(HEX, 40, 40)], none)),
    row("Linear key", "https://linear.app/developers/graphql#personal-api-keys", &["lin_api_"], Token(&[Run(ALNUM, 40, 40)], none)),
    row("Postman key", "https://learning.postman.com/docs/developer/postman-api/authentication/", &["PMAK-"],
        Token(&[Run(HEX, 24, 24), Text("-"), Run(HEX, 34, 34)], none)),
    row("PlanetScale password or token", "https://planetscale.com/docs/concepts/connection-strings", &["pscale_pw_", "pscale_tkn_"],
        Token(&[Run(ALNUM | UNDERSCORE | DASH | DOT | EQUALS, 32, 64)], none)),
    row("Shopify token", SHOPIFY, &["shpat_", "shpca_", "shppa_", "shpss_"], Token(&[Run(ANY_HEX, 32, 32)], none)),
    row("Square token", "https://developer.squareup.com/docs/build-basics/access-tokens", &["sq0atp-", "sq0csp-"],
        Token(&[Run(URL_SAFE, 22, 43)], none)),
    row("Dynatrace token", "https://docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients/access-tokens",
        &["dt0c01.", "dt0s01."], Token(&[Run(UPPER | DIGITS, 24, 24), Text("."), Run(UPPER | DIGITS, 64, 64)], none)),
    row("1Password service account token", "https://developer.1password.com/docs/service-accounts/security/", &["ops_eyJ"],
        Token(&[Run(BASE64, 250, 1024), Run(EQUALS, 0, 3)], none)),
    row("OpenShift token", "https://docs.openshift.com/container-platform/latest/authentication/configuring-internal-oauth.html",
        &["sha256~"], Token(&[Run(URL_SAFE, 43, 43)], none)),
    row("age secret key", "https://github.com/C2SP/C2SP/blob/main/age.md#the-x25519-recipient-type", &["AGE-SECRET-KEY-1"],
        Token(&[Run(UPPER | DIGITS, 58, 58)], check::bech32)),
    row("private key", "https://www.rfc-editor.org/rfc/rfc7468", &["-----BEGIN "], Inside(check::pem)),
    row("private key in base64", "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/", &["LS0tLS1CRUdJTi"],
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
