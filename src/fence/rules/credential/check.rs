//! What confirms a format: checksums that issuers put into their tokens, what base64 decodes to, and entropy.

use super::format::{ALNUM, BASE64, DASH, EQUALS, UNDERSCORE, URL_SAFE, is_all, is_of, run};
use super::{placeholder, url};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Nothing more to check.
pub fn none(_: &str) -> bool {
    true
}

/// The last six characters are the CRC-32 of those after the prefix, in base 62: GitHub's scheme, which npm shares.
pub fn crc_in_base62(token: &str) -> bool {
    let Some((_, body)) = token.rsplit_once('_') else { return false };
    let Some((random, sum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else { return false };
    let mut left = crc32(random.as_bytes());
    let mut expected = [b'0'; 6];
    for digit in expected.iter_mut().rev() {
        *digit = BASE62[left as usize % 62];
        left /= 62;
    }
    expected == sum.as_bytes()
}

/// IEEE 802.3, bit by bit: tokens are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

/// Bech32 (BIP 173), in upper case.
pub fn bech32(token: &str) -> bool {
    const LETTERS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let Some((prefix, data)) = token.rsplit_once('1') else { return false };
    let step = |sum: u32, value: u32| {
        let top = sum >> 25;
        let shifted = (sum & 0x1ff_ffff) << 5 ^ value;
        GENERATORS.iter().enumerate().fold(shifted, |sum, (bit, by)| if top >> bit & 1 == 1 { sum ^ by } else { sum })
    };
    let prefix: Vec<u32> = prefix.bytes().map(|byte| u32::from(byte.to_ascii_lowercase())).collect();
    let expanded = prefix.iter().map(|byte| byte >> 5).chain([0]).chain(prefix.iter().map(|byte| byte & 31));
    let sum = expanded.fold(1, step);
    let mut values = data.bytes().map(|byte| LETTERS.iter().position(|letter| *letter == byte));
    let sum = values.try_fold(sum, |sum, value| Some(step(sum, value? as u32)));
    sum == Some(1)
}

/// As many distinct characters as chance makes, in no order that a person would type; nothing that says that it is an
/// example.
pub fn is_random(text: &str) -> bool {
    let length = text.len();
    if length == 0 {
        return false;
    }
    let bytes = text.as_bytes();
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let share = |count: &u32| f64::from(*count) / length as f64;
    let entropy: f64 = -counts.iter().filter(|count| **count > 0).map(share).map(|p| p * p.log2()).sum::<f64>();
    // A long text of sixteen digits has four bits a character, a short one of any less than its length allows.
    let least = (0.55 * (length as f64).log2()).min(2.9);
    let runs = bytes.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1) || pair[1] == pair[0]).count();
    entropy >= least && runs * 2 <= length && !placeholder::says_example(text)
}

/// Standard base64, perhaps without its padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    base64_simd::STANDARD_NO_PAD.decode_to_vec(text).ok()
}

/// `header.payload.signature`, where the header says by which algorithm it is signed (RFC 7519).
pub fn jwt(value: &str, at: usize) -> bool {
    // The shortest header names an algorithm, the shortest signature is of 256 bits.
    const LEAST: [usize; 3] = [12, 2, 43];
    const MOST: [usize; 3] = [4 << 10, 64 << 10, 4 << 10];
    let text = |part: &str| {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part.as_bytes()).ok()?;
        String::from_utf8(bytes).ok().filter(|text| text.trim_start().starts_with('{'))
    };
    let mut rest = value.get(at..).unwrap_or("");
    for (index, (least, most)) in LEAST.into_iter().zip(MOST).enumerate() {
        let length = run(rest.as_bytes(), URL_SAFE, most);
        let (part, after) = rest.split_at(length);
        let fits = match index {
            0 => length >= least && text(part).is_some_and(|header| header.contains("\"alg\"")),
            1 => length >= least && text(part).is_some(),
            _ => return length >= least && is_random(part),
        };
        match after.strip_prefix('.') {
            Some(after) if fits => rest = after,
            _ => return false,
        }
    }
    false
}

/// `ghs_`, the application, and a JSON Web Token.
pub fn github_installation(value: &str, at: usize) -> bool {
    const LONGEST_APPLICATION: usize = 64;
    let rest = value.get(at + "ghs_".len()..).unwrap_or("");
    let word = &rest[..run(rest.as_bytes(), ALNUM | UNDERSCORE, LONGEST_APPLICATION)];
    word.find("eyJ").is_some_and(|header| jwt(rest, header))
}

/// `Basic` and a base64 of `user:password` (RFC 7617).
pub fn basic(value: &str, at: usize) -> bool {
    let rest =
        value.get(at..).and_then(|rest| rest.split_once(' ')).map_or("", |(_, rest)| rest.trim_start_matches(' '));
    user_and_password(rest)
}

/// The `auth` of a registry in a `.dockerconfigjson`.
pub fn docker_auth(value: &str, at: usize) -> bool {
    let rest = value.get(at..).and_then(|rest| rest.get("\"auth\"".len()..)).unwrap_or("");
    let rest = rest.trim_start_matches([' ', ':', '\n']);
    rest.strip_prefix('"').is_some_and(user_and_password)
}

/// Whether the text begins with a base64 of `user:password`.
fn user_and_password(text: &str) -> bool {
    const LONGEST: usize = 4096;
    let length = run(text.as_bytes(), BASE64 | EQUALS, LONGEST);
    let word = &text[..length];
    // What is no multiple of four is a word of another sort.
    let goes_on = text.as_bytes().get(length).is_some_and(|next| is_of(*next, UNDERSCORE | DASH));
    if length < 8 || !length.is_multiple_of(4) || goes_on {
        return false;
    }
    let decoded = decode(word).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let printable = decoded.chars().all(|character| !character.is_control());
    let (user, password) = decoded.split_once(':').unwrap_or_default();
    let stands = !password.is_empty() && !placeholder::stands_for_another(password);
    printable && stands && !url::is_weak(password, user)
}

/// A private key in PEM (RFC 7468) or as OpenSSH and PGP write theirs. Encrypted ones are not in clear.
pub fn pem(value: &str, at: usize) -> bool {
    let Some(rest) = value.get(at..).and_then(|rest| rest.strip_prefix(PEM)) else { return false };
    let Some((label, body)) = rest
        .get(..LONGEST_LABEL)
        .unwrap_or(rest)
        .split_once("-----")
        .map(|(label, _)| (label, &rest[label.len() + 5..]))
    else {
        return false;
    };
    let label = label.strip_suffix(" BLOCK").unwrap_or(label);
    if !label.ends_with("PRIVATE KEY") || label.contains("ENCRYPTED") {
        return false;
    }
    // Line breaks as they are, or as a string of JSON has them.
    let body = head(body, 512).replace("\\\\n", "\n").replace("\\n", "\n").replace("\\r", "");
    // The end may be on the same line: YAML folds lines into one. Behind it is another's.
    let body = body.split("-----").next().unwrap_or("");
    if body.contains("ENCRYPTED") {
        return false;
    }
    let data: String = body.lines().filter(|line| !line.contains(':')).flat_map(|line| line.trim().chars()).collect();
    let length = run(data.as_bytes(), BASE64, data.len());
    length >= 64 && is_random(&data[..length])
}

const PEM: &str = "-----BEGIN ";
/// Shorter than any slice that could end within a character.
const LONGEST_LABEL: usize = 48;

/// A private key in PEM, in base64 once more, as a kubeconfig has them.
pub fn pem_in_base64(value: &str, at: usize) -> bool {
    let Some(rest) = value.get(at..) else { return false };
    let length = run(rest.as_bytes(), BASE64, 1024) / 4 * 4;
    let decoded = decode(&rest[..length]).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded);
    pem(&text, 0)
}

/// The JSON of a service account of Google, with its private key.
pub fn google_service_account(value: &str, at: usize) -> bool {
    // The type stands first, the key within the next four members.
    let rest = head(value.get(at..).unwrap_or(""), 4096);
    let Some(key) = rest.find("private_key") else { return false };
    rest[key..].find(PEM).is_some_and(|begin| pem(rest, key + begin))
}

/// The key of a storage account or of a shared access policy, in a connection string.
pub fn azure_key(value: &str, at: usize) -> bool {
    let Some((name, rest)) = value.get(at..).and_then(|rest| rest.split_once('=')) else { return false };
    let length = run(rest.as_bytes(), BASE64, 128);
    let padding = run(&rest.as_bytes()[length..], EQUALS, 4);
    // 64 bytes, or 32.
    let shaped = (name == "AccountKey" && length == 86 && padding == 2) || (length == 43 && padding == 1);
    // The account of the emulator has one key, and everybody knows it.
    shaped && is_random(&rest[..length]) && !value.contains("devstoreaccount1")
}

/// The signature of a shared access signature, with the version and the end that go with it.
pub fn azure_sas(value: &str, at: usize) -> bool {
    const AROUND: usize = 1024;
    let rest = value.get(at..).unwrap_or("");
    let signature = rest.strip_prefix("sig=").unwrap_or("");
    let length = run(signature.as_bytes(), BASE64, 128);
    // 32 bytes in base64, some of its characters escaped.
    let escaped = length >= 8 && signature[length..].starts_with('%');
    if !escaped && length != 43 {
        return false;
    }
    let mut start = at.saturating_sub(AROUND);
    while !value.is_char_boundary(start) {
        start += 1;
    }
    let url = [&value[start..at], head(rest, AROUND)].concat();
    url.contains("sv=20") && url.contains("se=20")
}

/// An application's client secret of Entra ID: three characters, a digit, `Q~`, and 31 to 34 more.
pub fn azure_client_secret(value: &str, at: usize) -> bool {
    const ALPHABET: u16 = ALNUM | UNDERSCORE | DASH | super::format::DOT;
    let is_one = |byte: u8| is_of(byte, ALPHABET) || byte == b'~';
    let bytes = value.as_bytes();
    let Some(start) = at.checked_sub(4) else { return false };
    let before = &bytes[start..at];
    if !before[3].is_ascii_digit() || !before[..3].iter().all(|byte| is_one(*byte)) {
        return false;
    }
    if start.checked_sub(1).is_some_and(|before| is_one(bytes[before])) {
        return false;
    }
    let length = bytes[at + 2..].iter().take(40).take_while(|byte| is_one(**byte)).count();
    (31..=34).contains(&length) && value.get(at + 2..at + 2 + length).is_some_and(is_random)
}

/// Fourteen characters, `.atlasv1.`, and sixty or more.
pub fn terraform(value: &str, at: usize) -> bool {
    let bytes = value.as_bytes();
    let before = bytes[..at].iter().rev().take(15).take_while(|byte| is_of(**byte, ALNUM)).count();
    let after = &value[at + ".atlasv1.".len()..];
    let length = run(after.as_bytes(), URL_SAFE | EQUALS, 80);
    before == 14 && (60..=70).contains(&length) && is_random(&after[..length])
}

/// The digits of a bot's id, a colon, and 35 characters of which the first two are `AA`.
pub fn telegram(value: &str, at: usize) -> bool {
    let bytes = value.as_bytes();
    let before = bytes[..at].iter().rev().take(13).take_while(|byte| byte.is_ascii_digit()).count();
    let starts = at.checked_sub(before + 1).is_none_or(|before| {
        !is_of(bytes[before], URL_SAFE) || value[..before + 1].ends_with("/bot") || bytes[before] == b't'
    });
    let after = &value[at + 1..];
    let length = run(after.as_bytes(), URL_SAFE, 64);
    (8..=12).contains(&before) && starts && length == 35 && is_random(&after[..length])
}

/// A path of a webhook's URL: its host is the mark.
pub fn slack_webhook(value: &str, at: usize) -> bool {
    let path = value.get(at..).and_then(|rest| rest.split_once(".com/")).map_or("", |(_, path)| path);
    let length = run(path.as_bytes(), BASE64, 128);
    let parts: Vec<&str> = path[..length].split('/').collect();
    let is_id = |part: &str, first: &str| part.len() >= 9 && part.starts_with(first);
    let is_number = |part: &str| (17..=19).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let (named, last) = match parts[..] {
        ["services", team, bot, last] => (is_id(team, "T") && is_id(bot, "B"), last),
        ["workflows", team, app, id, last] => (is_id(team, "T") && is_id(app, "A") && is_number(id), last),
        _ => return false,
    };
    named && (23..=25).contains(&last.len()) && is_random(last)
}

/// `<group>@<tenant>/IncomingWebhook/<token>/<owner>`: three UUIDs around the token.
pub fn teams_webhook(value: &str, at: usize) -> bool {
    const LONGEST: usize = 256;
    let rest = head(value.get(at..).unwrap_or(""), LONGEST);
    let path = rest.split_once("/webhookb2/").map_or("", |(_, path)| path);
    let (ids, rest) = path.split_once("/IncomingWebhook/").unwrap_or(("", ""));
    let (token, owner) = rest.split_once('/').unwrap_or(("", ""));
    let is_uuid = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let ids_are = ids.split_once('@').is_some_and(|(group, tenant)| is_uuid(group) && is_uuid(tenant));
    let owner = owner.get(..36).is_some_and(is_uuid);
    ids_are && owner && is_all(token, ALNUM, 32) && is_random(token)
}

/// `/api/webhooks/<id>/<token>`.
pub fn discord_webhook(value: &str, at: usize) -> bool {
    let path = value.get(at..).and_then(|rest| rest.split_once("/api/webhooks/")).filter(|(host, _)| host.len() <= 16);
    let path = path.map_or("", |(_, path)| path);
    let (id, token) = path.split_once('/').unwrap_or(("", ""));
    let length = run(token.as_bytes(), URL_SAFE, 128);
    (17..=20).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && (60..=72).contains(&length)
        && is_random(&token[..length])
}

/// A key of OpenAI has this in its middle: "OpenAI" in base64.
pub fn openai(token: &str) -> bool {
    token.contains("T3BlbkFJ")
}

/// The first bytes, up to a character's end.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
