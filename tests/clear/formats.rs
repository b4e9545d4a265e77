//! For each format a credential that nobody has, and one that only looks like it. Made anew each time, of parts, so that
//! nobody's scanner takes this file for a leak.

/// Numbers that look like chance, the same for the same seed.
pub struct Dice(u64);

const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const URL_SAFE: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const BASE64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";
const BECH32: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        (0..length).map(|_| char::from(letters[(self.next() >> 11) as usize % letters.len()])).collect()
    }

    fn hex(&mut self, length: usize) -> String {
        self.of(HEX, length)
    }

    fn alnum(&mut self, length: usize) -> String {
        self.of(ALNUM, length)
    }

    fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|length| self.hex(length)).join("-")
    }

    fn url(&mut self, length: usize) -> String {
        self.of(URL_SAFE, length)
    }
}

/// A format's credential and its look-alike.
pub struct Row {
    /// As the table names the format.
    pub format: &'static str,
    /// The variable, where the format goes by its name.
    pub variable: Option<&'static str>,
    /// Both, by the dice.
    pub make: fn(&mut Dice) -> (String, String),
}

const fn row(format: &'static str, make: fn(&mut Dice) -> (String, String)) -> Row {
    Row { format, variable: None, make }
}

const fn named(format: &'static str, variable: &'static str, make: fn(&mut Dice) -> (String, String)) -> Row {
    Row { format, variable: Some(variable), make }
}

/// The prefix and a body; the look-alike lacks the last character.
fn short(prefix: &str, body: String) -> (String, String) {
    let whole = format!("{prefix}{body}");
    let cut = whole[..whole.len() - 1].to_owned();
    (whole, cut)
}

/// The look-alike has a body that no issuer would draw.
fn dull(prefix: &str, body: String) -> (String, String) {
    (format!("{prefix}{body}"), format!("{prefix}{}", "x".repeat(body.len())))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn with_checksum(prefix: &str, dice: &mut Dice) -> (String, String) {
    let random = dice.alnum(30);
    let encode = |mut number: u32| {
        let mut text = Vec::new();
        for _ in 0..6 {
            text.insert(0, ALNUM.as_bytes()[number as usize % 62]);
            number /= 62;
        }
        String::from_utf8(text).unwrap()
    };
    let sum = crc32(random.as_bytes());
    (format!("{prefix}{random}{}", encode(sum)), format!("{prefix}{random}{}", encode(sum ^ 1)))
}

fn bech32(dice: &mut Dice) -> (String, String) {
    let data = dice.of(BECH32, 52);
    let prefix = ["AGE-SECRET", "-KEY-"].concat();
    let lower = prefix.to_lowercase();
    let mut values: Vec<u32> = lower.bytes().map(|byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(lower.bytes().map(|byte| u32::from(byte & 31)));
    values.extend(data.bytes().map(|byte| BECH32.bytes().position(|letter| letter == byte).unwrap() as u32));
    values.extend([0; 6]);
    let mut sum: u32 = 1;
    for value in values {
        let top = sum >> 25;
        sum = (sum & 0x1ff_ffff) << 5 ^ value;
        for (bit, by) in [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].into_iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= by;
            }
        }
    }
    sum ^= 1;
    let letter = |at: u32| char::from(BECH32.as_bytes()[(sum >> (5 * (5 - at)) & 31) as usize]);
    let check: String = (0..6).map(letter).collect();
    let wrong = if check.starts_with('Q') { "P" } else { "Q" };
    (format!("{prefix}1{data}{check}"), format!("{prefix}1{data}{wrong}{}", &check[1..]))
}

fn encode(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text.as_bytes())
}

fn encode_url(text: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(text.as_bytes())
}

fn pem(label: &str, dice: &mut Dice) -> String {
    let lines: Vec<String> = (0..4).map(|_| dice.of(BASE64, 64)).collect();
    let dashes = "-----";
    format!("{dashes}BEGIN {label}{dashes}\n{}\n{dashes}END {label}{dashes}\n", lines.join("\n"))
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("GitHub token", |dice| with_checksum("ghp_", dice)),
    row("GitHub fine-grained token", |dice| short(&format!("github_{}_{}_", "pat", dice.alnum(22)), dice.alnum(59))),
    row("GitHub installation token", |dice| {
        let token = |header: &str, signature: String| {
            format!("ghs_1234567_{}.{}.{signature}", encode_url(header), encode_url("{\"iss\":\"github\",\"sub\":\"installation\"}"))
        };
        (token("{\"alg\":\"RS256\",\"typ\":\"JWT\"}", dice.url(342)), token("{\"kid\":\"1\",\"typ\":\"JWT\"}", dice.url(342)))
    }),
    row("GitLab token", |dice| short("glpat-", dice.url(20))),
    row("GitLab routable token", |dice| short(&format!("glpat-{}.", dice.url(30)), dice.of("0123456789abcdefghij", 9))),
    row("GitLab versioned token", |dice| short(&format!("glpat-{}.01.", dice.url(30)), dice.of("0123456789abcdefghij", 9))),
    row("GitLab incoming mail token", |dice| short("glimt-", dice.url(25))),
    row("GitLab runner registration token", |dice| short("GR1348941", dice.url(20))),
    row("GitLab trigger token", |dice| short("glptt-", dice.hex(40))),
    row("GitLab agent token", |dice| short("glagent-", dice.url(50))),
    row("GitLab application secret", |dice| short("gloas-", dice.hex(64))),
    row("Slack bot or user token", |dice| (
        format!("xoxb-{}-{}-{}", dice.of(DIGITS, 12), dice.of(DIGITS, 12), dice.alnum(24)), format!("xoxb-{}", dice.alnum(24)))),
    row("Slack configuration token", |dice| short("xoxe.xoxp-1-", dice.of(UPPER, 146))),
    row("Slack app token", |dice| short(&format!("xapp-1-{}-{}-", dice.of(UPPER, 11), dice.of(DIGITS, 13)), dice.hex(64))),
    row("Slack webhook", |dice| short(&format!("https://hooks.slack.com/services/T{}/B{}/", dice.of(UPPER, 10), dice.of(UPPER, 10)), dice.alnum(23))),
    row("Stripe key", |dice| dull(&["sk_", "live_"].concat(), dice.alnum(24))),
    row("webhook signing secret", |dice| short("whsec_", dice.of(BASE64, 32))),
    row("AWS access key id", |dice| {
        let id = dice.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
        (format!("AKIA{id}"), format!("AKIA{}1", &id[1..]))
    }),
    named("AWS secret access key", "AWS_SECRET_ACCESS_KEY", |dice| short("", dice.of(BASE64, 40))),
    row("Amazon Bedrock key", |dice| (format!("ABSK{}=", dice.of(BASE64, 127)), format!("ABSK{}", dice.of(BASE64, 40)))),
    row("Google API key", |dice| short("AIza", dice.url(35))),
    row("Google client secret", |dice| short("GOCSPX-", dice.url(28))),
    row("Google service account key", |dice| {
        let key = |key: String| format!("{{\"type\": \"service_account\", \"project_id\": \"shop\", \"private_key\": {}}}", serde_json::json!(key));
        (key(pem("PRIVATE KEY", dice)), key(String::new()))
    }),
    row("Azure storage or service bus key", |dice| {
        let string = |key: String| format!("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={key};EndpointSuffix=core.windows.net");
        (string(dice.of(BASE64, 86) + "=="), string(dice.of(BASE64, 80)))
    }),
    row("Azure shared access signature", |dice| {
        let url = |signature: String| format!("https://shop.blob.core.windows.net/x?sv=2022-11-02&ss=b&se=2027-01-01T00:00:00Z&sig={signature}");
        (url(dice.alnum(43) + "%3D"), url(dice.alnum(12)))
    }),
    row("Azure client secret", |dice| short(&format!("{}8Q~", dice.alnum(3)), dice.alnum(31))),
    row("npm token", |dice| with_checksum("npm_", dice)),
    row("PyPI token", |dice| (format!("pypi-AgEIcHlwaS5vcmc{}", dice.url(120)), format!("pypi-AgEIcHlwaS5vcmc{}", dice.url(40)))),
    row("RubyGems key", |dice| short("rubygems_", dice.hex(48))),
    row("Docker Hub token", |dice| short("dckr_pat_", dice.url(27))),
    row("registry login", |dice| {
        let login = |auth: String| format!("{{\"auths\": {{\"registry.example.com\": {{\"auth\": \"{auth}\"}}}}}}");
        (login(encode(&format!("robot:{}", dice.alnum(20)))), login(encode("robot:")))
    }),
    row("Vault token", |dice| (format!("hvs.{}", dice.url(95)), format!("hvs.{}", dice.url(60)))),
    row("Vault batch token", |dice| (format!("hvb.{}", dice.url(150)), format!("hvb.{}", dice.url(60)))),
    row("HCP Terraform token", |dice| (
        format!("{}.atlasv1.{}", dice.alnum(14), dice.url(67)), format!("{}.atlasv1.{}", dice.alnum(13), dice.url(67)))),
    row("DigitalOcean token", |dice| short("dop_v1_", dice.hex(64))),
    named("Twilio auth token", "TWILIO_AUTH_TOKEN", |dice| short("", dice.hex(32))),
    row("SendGrid key", |dice| short(&format!("SG.{}.", dice.url(22)), dice.url(43))),
    named("Mailgun key", "MAILGUN_API_KEY", |dice| short("", format!("{}-{}-{}", dice.hex(32), dice.hex(8), dice.hex(8)))),
    named("Mailchimp key", "MAILCHIMP_API_KEY", |dice| (format!("{}-us12", dice.hex(32)), format!("{}-eu12", dice.hex(32)))),
    row("Brevo key", |dice| short(&format!("xkeysib-{}-", dice.hex(64)), dice.alnum(16))),
    row("OpenAI key", |dice| (
        format!("sk-proj-{}T3Blbk{}{}", dice.url(74), "FJ", dice.url(74)), format!("sk-proj-{}", dice.url(156)))),
    row("Anthropic key", |dice| (format!("sk-ant-api03-{}AA", dice.url(93)), format!("sk-ant-api03-{}AB", dice.url(93)))),
    row("Hugging Face token", |dice| short("hf_", dice.of(LETTERS, 34))),
    row("Groq key", |dice| short("gsk_", dice.alnum(52))),
    row("Perplexity key", |dice| short("pplx-", dice.alnum(48))),
    row("Replicate token", |dice| short("r8_", dice.alnum(37))),
    row("Telegram bot token", |dice| short(&format!("{}:AA", dice.of("123456789", 10)), dice.url(33))),
    row("Discord webhook", |dice| (
        format!("https://discord.com/api/webhooks/{}/{}", dice.of("123456789", 18), dice.url(68)),
        format!("https://discord.com/api/webhooks/{}/{}", dice.of("123456789", 18), dice.url(20)))),
    named("Datadog API key", "DD_API_KEY", |dice| short("", dice.hex(32))),
    named("Datadog application key", "DD_APP_KEY", |dice| short("", dice.hex(40))),
    row("New Relic user key", |dice| short("NRAK-", dice.of(UPPER, 27))),
    named("New Relic license key", "NEW_RELIC_LICENSE_KEY", |dice| short("", dice.hex(36) + "NRAL")),
    row("Grafana service account token", |dice| short(&format!("glsa_{}_", dice.alnum(32)), dice.hex(8))),
    row("Grafana Cloud token", |dice| (format!("glc_eyJ{}==", dice.alnum(100)), format!("glc_eyJ{}", dice.alnum(30)))),
    row("Sentry token", |dice| short("sntryu_", dice.hex(64))),
    row("Sentry organization token", |dice| {
        let claims = encode("{\"iat\":1700000000.5,\"url\":\"https://sentry.io\",\"org\":\"shop\"}");
        short(&format!("sntrys_{claims}_"), dice.of(BASE64, 43))
    }),
    named("Cloudflare token", "CLOUDFLARE_API_TOKEN", |dice| short("", dice.url(40))),
    row("Cloudflare prefixed token", |dice| short(&format!("cfut_{}", dice.alnum(40)), dice.hex(8))),
    row("Cloudflare origin CA key", |dice| short(&format!("v1.0-{}-", dice.hex(24)), dice.hex(146))),
    row("Heroku key", |dice| short("HRKU-AA", dice.url(58))),
    row("Databricks token", |dice| {
        let key = dice.hex(32);
        (format!("dapi{key}-2"), format!("dapi{key}22"))
    }),
    row("Doppler token", |dice| (format!("dp.st.{}", dice.alnum(43)), format!("dp.st.{}", dice.alnum(30)))),
    row("Doppler service token", |dice| (format!("dp.st.prd_eu.{}", dice.alnum(43)), format!("dp.st.prd_eu.{}", dice.alnum(30)))),
    row("Pulumi token", |dice| short("pul-", dice.hex(40))),
    row("Linear key", |dice| short("lin_api_", dice.alnum(40))),
    row("Postman key", |dice| short(&format!("PMAK-{}-", dice.hex(24)), dice.hex(34))),
    row("PlanetScale password or token", |dice| dull("pscale_pw_", dice.alnum(43))),
    row("Shopify token", |dice| short("shpat_", dice.hex(32))),
    row("Square token", |dice| dull("sq0csp-", dice.url(43))),
    row("Dynatrace token", |dice| short(&format!("dt0c01.{}.", dice.of(UPPER, 24)), dice.of(UPPER, 64))),
    row("1Password service account token", |dice| (format!("ops_eyJ{}", dice.alnum(400)), format!("ops_eyJ{}", dice.alnum(100)))),
    row("OpenShift token", |dice| short("sha256~", dice.url(43))),
    row("Atlassian token", |dice| short("ATATT3", dice.url(186))),
    row("Artifactory key", |dice| short("AKCp", dice.alnum(69))),
    row("Artifactory reference token", |dice| short("cmVmdGtu", dice.alnum(56))),
    row("SonarQube token", |dice| short("squ_", dice.hex(40))),
    row("CircleCI token", |dice| short(&format!("CCIPAT_{}_", dice.alnum(22)), dice.hex(40))),
    row("Buildkite token", |dice| short("bkua_", dice.hex(40))),
    row("Notion token", |dice| short(&format!("ntn_{}", dice.of(DIGITS, 11)), dice.alnum(35))),
    row("Airtable token", |dice| short(&format!("pat{}.", dice.alnum(14)), dice.hex(64))),
    row("HubSpot token", |dice| short("pat-na1-", dice.uuid())),
    row("Microsoft Teams webhook", |dice| {
        let ids = format!("{}@{}", dice.uuid(), dice.uuid());
        let url = |token: &str, owner: &str| format!("https://shop.webhook.office.com/webhookb2/{ids}/IncomingWebhook/{token}/{owner}");
        let (token, owner) = (dice.hex(32), dice.uuid());
        (url(&token, &owner), url(&token[1..], &owner))
    }),
    row("Tailscale key", |dice| {
        let id = dice.alnum(17);
        (format!("tskey-auth-{id}-{}", dice.alnum(32)), format!("tskey-auth-{id}"))
    }),
    row("Supabase token", |dice| short("sbp_", dice.hex(40))),
    row("PostHog personal key", |dice| short("phx_", dice.alnum(43))),
    row("OpenRouter key", |dice| short("sk-or-v1-", dice.hex(64))),
    row("xAI key", |dice| short("xai-", dice.alnum(80))),
    row("LangSmith key", |dice| short(&format!("lsv2_pt_{}_", dice.hex(32)), dice.hex(10))),
    row("K3s token", |dice| {
        let authority = dice.hex(64);
        (format!("K10{authority}::server:{}", dice.hex(32)), format!("K10{authority}::server:"))
    }),
    row("age secret key", bech32),
    row("private key", |dice| (pem("RSA PRIVATE KEY", dice), pem("PUBLIC KEY", dice))),
    row("private key in base64", |dice| (encode(&pem("EC PRIVATE KEY", dice)), encode(&pem("CERTIFICATE", dice)))),
    row("JSON Web Token", |dice| {
        let token = |header: &str, signature: String| {
            format!("{}.{}.{signature}", encode_url(header), encode_url("{\"sub\":\"web\",\"iss\":\"kubernetes/serviceaccount\"}"))
        };
        (token("{\"alg\":\"RS256\",\"kid\":\"1\"}", dice.url(342)), token("{\"kid\":\"1\",\"typ\":\"JWT\"}", dice.url(342)))
    }),
    row("basic authentication", |dice| (
        format!("Authorization: Basic {}", encode(&format!("robot:{}", dice.alnum(14)))),
        format!("Authorization: Basic {}", encode(&dice.alnum(15))))),
    row("URL with a password", |dice| (
        format!("postgres://shop:{}@database:5432/shop", dice.alnum(16)), format!("postgres://shop:${{{}}}@database:5432/shop", dice.of(LETTERS, 8)))),
];
