//! Guesses: what is called a password, and has a value that stands for nothing else.

use super::placeholder;

/// The last words of names that hold a credential. What goes on behind them (`PASSWORD_FILE`, `TOKEN_URL`, `SECRET_NAME`) is
/// about one, and holds none.
const ENDS: [&[&str]; 28] = [
    &["password"],
    &["passwd"],
    &["passphrase"],
    &["pass"],
    &["pwd"],
    &["secret"],
    &["token"],
    &["apikey"],
    &["api", "key"],
    &["access", "key"],
    &["accesskey"],
    &["account", "key"],
    &["accountkey"],
    &["secret", "key"],
    &["secretkey"],
    &["secret", "key", "base"],
    &["private", "key"],
    &["privatekey"],
    &["encryption", "key"],
    &["signing", "key"],
    &["master", "key"],
    &["license", "key"],
    &["app", "key"],
    &["auth", "key"],
    &["shared", "key"],
    &["credential"],
    &["credentials"],
    &["authorization"],
];

/// Those that are written in one word with what is before them: `PGPASSWORD`.
const JOINED: [&str; 5] = ["password", "passwd", "passphrase", "secret", "token"];

/// Words behind them that change nothing.
const TAILS: [&str; 12] = [
    "value",
    "plain",
    "text",
    "plaintext",
    "base64",
    "b64",
    "prod",
    "production",
    "dev",
    "staging",
    "primary",
    "secondary",
];

/// `pwd`
const SHORTEST_NAME: usize = 3;
/// Longer names are nobody's.
const LONGEST_NAME: usize = 128;
/// Longer values are files; what is in them has a format or is not found.
const LONGEST_VALUE: usize = 512;

/// Whether the name says so, and nothing in the value speaks against it.
pub fn is_secret(name: &str, value: &str) -> bool {
    if !(SHORTEST_NAME..=LONGEST_NAME).contains(&name.len()) || value.len() > LONGEST_VALUE {
        return false;
    }
    let words = words(name);
    let Some(end) = end(&words) else { return false };
    // The working directory.
    let is_directory = words.len() == 1 && words[0] == "pwd";
    !is_directory && is_literal(value, end)
}

/// The words of a name, in lower case: `dbPassword`, `DB_PASSWORD`, `--db.password`, `X-Db-Password`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = None;
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() {
            before = None;
            continue;
        }
        let begins = match before {
            None => true,
            Some(before) => char::is_ascii_lowercase(&before) && character.is_ascii_uppercase(),
        };
        if begins {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(character.to_ascii_lowercase()));
        before = Some(character);
    }
    words
}

/// By which words at its end a name is a credential's.
fn end(words: &[String]) -> Option<&'static [&'static str]> {
    let is_tail = |word: &String| TAILS.contains(&&**word) || word.bytes().all(|byte| byte.is_ascii_digit());
    let mut words = words;
    while let [before @ .., last] = words
        && !before.is_empty()
        && is_tail(last)
    {
        words = before;
    }
    // `password1`
    let bare = |word: &str| word.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
    let ends_with = |end: &&&[&str]| {
        let from = words.len().checked_sub(end.len());
        let is = |(word, end): (&String, &&str)| {
            let word = bare(word);
            word == **end || (JOINED.contains(end) && word.ends_with(end))
        };
        from.is_some_and(|from| words[from..].iter().zip(**end).all(is))
    };
    // The longest: a `SECRET_KEY_BASE` is one, too.
    ENDS.iter().filter(ends_with).max_by_key(|end| end.len()).copied()
}

/// Words for which figures alone are a value, and how many at least.
const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];
const SHORTEST_NUMBER: usize = 6;

/// Words for which whole words as a value are the name of something.
const NAMES_OF_THINGS: [&str; 6] = ["secret", "token", "credential", "credentials", "authorization", "key"];

fn is_literal(value: &str, end: &[&str]) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let of_password = end.last().is_some_and(|last| PASSWORDS.contains(last));
    let is_number = || {
        let figures = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = || value.bytes().all(|byte| byte.is_ascii_digit() || b".-:".contains(&byte));
        // A port, a length or a time is shorter.
        number() && !(of_password && figures && value.len() >= SHORTEST_NUMBER)
    };
    let is_text = || value.split_ascii_whitespace().count() > 3 || value.contains('\n');
    let of_names = end.last().is_some_and(|last| NAMES_OF_THINGS.contains(last) || last.ends_with("key"));
    let named = || of_names && (value.len() < 6 || is_name_of_a_thing(value));
    !(value.is_empty()
        || placeholder::stands_for_another(value)
        || is_switch(value)
        || is_number()
        || is_path(value)
        || is_constant(value)
        || is_hash(value)
        || is_text()
        || named())
}

/// `true`, `off`, `optional`
fn is_switch(value: &str) -> bool {
    const WORDS: [&str; 16] = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "enabled", "disabled", "enable", "disable", "required",
        "optional", "auto", "never",
    ];
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A path, a URL (one with a password has a format), a file by its name.
fn is_path(value: &str) -> bool {
    const ENDS: [&str; 12] =
        [".pem", ".key", ".crt", ".json", ".yaml", ".yml", ".txt", ".conf", ".env", ".pub", ".jwt", ".properties"];
    let starts = ["/", "./", "../", "~/", "file:", "env:", "C:\\"].iter().any(|start| value.starts_with(start));
    // A key in base64 has a slash, too, but not at its start nor one in short steps.
    starts || value.contains("://") || ENDS.iter().any(|end| value.ends_with(end))
}

/// `POSTGRES_PASSWORD`: what it is called in another place.
pub fn is_constant(value: &str) -> bool {
    value.contains('_')
        && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        && !value.bytes().any(|byte| byte.is_ascii_digit())
}

/// What a password is kept as: nobody logs in with it. `htpasswd` writes the user before it.
fn is_hash(value: &str) -> bool {
    const STARTS: [&str; 16] = [
        "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$2a$", "$2b$", "$2y$", "$apr1$", "$argon2", "$pbkdf2", "$scrypt$",
        "pbkdf2_", "{SHA}", "{SSHA",
    ];
    let hash = value.split_once(':').map_or(value, |(_, hash)| hash);
    STARTS.iter().any(|start| value.starts_with(start) || hash.starts_with(start))
}

/// Words in lower case with `-`, `.`, `/`, `:` or `_` between them; or a single word of letters.
fn is_name_of_a_thing(value: &str) -> bool {
    let mut parts = value.split(['-', '.', '/', ':', '_', ' ', ',']);
    let is_word = |part: &str| {
        let bytes = part.as_bytes();
        let letters = part.trim_end_matches(|last: char| last.is_ascii_digit());
        let lower = letters.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
        lower
            && part.len() <= 16
            && part.len() - letters.len() <= 2
            && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
    };
    parts.all(is_word)
}

/// The names and values that a word of a command gives, and one that the word before it names: `--password=x`,
/// `--password x`, `PASSWORD=x` in a script.
pub struct Assignments<'v> {
    before: Option<(&'v str, &'v str)>,
    words: std::str::SplitAsciiWhitespace<'v>,
}

impl<'v> Assignments<'v> {
    pub fn of(before: Option<&'v str>, word: &'v str) -> Assignments<'v> {
        let flag = before.filter(|flag| flag.starts_with("--") && is_name(flag));
        let value = Some(word).filter(|value| !value.starts_with('-') && !value.contains(char::is_whitespace));
        Assignments { before: flag.zip(value), words: word.split_ascii_whitespace() }
    }
}

impl<'v> Iterator for Assignments<'v> {
    type Item = (&'v str, &'v str);

    fn next(&mut self) -> Option<(&'v str, &'v str)> {
        if let Some(before) = self.before.take() {
            return Some(before);
        }
        self.words.find_map(|word| {
            let word = word.trim_start_matches(['"', '\'', ';', '(', '{', '&', '-']);
            let (name, value) = word.split_once('=')?;
            let value = value.trim_end_matches([';', ')', '}', ',', '\\', '"', '\'']).trim_start_matches(['"', '\'']);
            (is_name(name) && is_shells_literal(value)).then_some((name, value))
        })
    }
}

/// Whether a line of settings has a credential among them: `jdbc:postgresql://db/app?user=a&password=b`,
/// `Server=db;User Id=sa;Password=b`, `-Xmx1g -Ddb.password=b`.
pub fn is_among_settings(value: &str) -> bool {
    let value = value.trim();
    if value.len() > LONGEST_VALUE || value.contains('\n') {
        return false;
    }
    let parts = value.split([';', '&', '?', ',', ' ', '\t']).map(|part| part.trim_start_matches(['"', '\'', '-']));
    parts.filter_map(|part| part.split_once('=')).any(|(name, value)| {
        let value = value.trim_end_matches(['"', '\'']);
        is_name(name) && is_shells_literal(value) && is_secret(name, value)
    })
}

/// Of a variable or a flag, so that it may be shown.
fn is_name(name: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(is_one)
}

/// No expansion, no comparison, no code.
fn is_shells_literal(value: &str) -> bool {
    !value.is_empty() && !value.contains(['$', '`', '(', '{', '=', '|', '<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_last_words() {
        for name in [
            "DB_PASSWORD",
            "dbPassword",
            "--db.password",
            "X-Api-Key",
            "apikey",
            "PGPASSWORD_1",
            "password2",
            "Authorization",
            "SECRET_KEY_BASE",
            "AUTH_TOKEN",
            "mysql-root-password",
            "accountkey",
            "TOKEN",
        ] {
            assert!(is_secret(name, "hunter2hunter2"), "{name}");
        }
        for name in [
            "PASSWORD_FILE",
            "TOKEN_URL",
            "SECRET_NAME",
            "PASSWORD_PATH",
            "TOKEN_TTL",
            "MAX_TOKENS",
            "PWD",
            "KEY",
            "PUBLIC_KEY",
            "COMPASS",
            "PASSWORD_MIN_LENGTH",
            "SECRETS_STORE",
            "",
            "TOKENIZER",
            "secretName",
            "BYPASS",
        ] {
            assert!(!is_secret(name, "hunter2hunter2"), "{name}");
        }
    }

    #[test]
    fn what_stands_for_something_else_is_no_value() {
        for value in [
            "",
            "true",
            "no",
            "8080",
            "1.5",
            "$(DB_PASSWORD)",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "<password>",
            "********",
            "xxxxx",
            "{{ .Values.password }}",
            "/run/secrets/password",
            "https://vault.example.com",
            "vault:secret/data/db#password",
            "POSTGRES_PASSWORD",
            "REPLACE_ME",
            "your-password",
            "YOUR_PASSWORD_HERE",
            "todo",
            "password.txt",
            "prefix-${X}",
            "a sentence of five words",
            "op://vault/item/field",
            "%DB_PASSWORD%",
            "@@PASSWORD@@",
            "$2y$10$Q7mXw0bXk2Z1uJ8a5rT9cOe3",
            "$argon2id$v=19$m=65536,t=3,p=4$c29t",
            "app:$apr1$Xk29dkQp$uJ8a5rT9cOe3",
        ] {
            assert!(!is_secret("DB_PASSWORD", value), "{value}");
        }
        for value in ["hunter2", "changeme", "password", "Passw0rd!", "p@ss:w/ord", "a b", "123456", "20071130"] {
            assert!(is_secret("DB_PASSWORD", value), "{value}");
        }
        for value in ["db-credentials", "kube-system/token", "vault.token", "abc", "registry"] {
            assert!(!is_secret("API_TOKEN", value) && !is_secret("SECRET", value), "{value}");
        }
    }

    #[test]
    fn a_line_of_settings_has_a_credential_among_them() {
        for value in [
            "jdbc:postgresql://db/app?user=app&password=8fk2PQx0d",
            "jdbc:sqlserver://db:1433;databaseName=app;user=sa;password=8fk2PQx0d;encrypt=true",
            "Server=db;Database=app;User Id=sa;Password=8fk2PQx0d!;",
            "host=db user=app password='8fk2PQx0d' dbname=app",
            "Driver={x};UID=sa;UserPwd=8fk2PQx0d",
            "-Xmx1g -Djavax.net.ssl.trustStorePassword=8fk2PQx0d",
            "cache:6379,password=8fk2PQx0d,ssl=True",
        ] {
            assert!(is_among_settings(value), "{value}");
        }
        for value in [
            "jdbc:postgresql://db/app?user=app&password=$(PASSWORD)",
            "Server=db;User Id=sa;Password={{ .Values.password }};",
            "host=db user=app passfile=/run/secrets/pgpass",
            "-Djavax.net.ssl.trustStorePassword=${PASSWORD}",
            "https://example.com/login?token_type=bearer&reset_password=true",
            "password.min.length=12",
            "first line\npassword=8fk2PQx0d",
            "password",
        ] {
            assert!(!is_among_settings(value), "{value}");
        }
    }

    #[test]
    fn words_of_a_command_give_names_and_values() {
        let all = |before, word| Assignments::of(before, word).collect::<Vec<_>>();
        assert_eq!(all(None, "--password=a"), [("password", "a")]);
        assert_eq!(all(Some("--password"), "a"), [("--password", "a")]);
        assert_eq!(all(Some("-p"), "a"), []);
        assert_eq!(all(Some("--password"), "--user"), []);
        assert_eq!(all(None, "export A='b'; C=\"d\" run --e=$F $(G=h)"), [("A", "b"), ("C", "d"), ("G", "h")][..2]);
    }
}
