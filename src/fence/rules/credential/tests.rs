use super::*;

fn what(value: &str) -> Option<(&'static str, bool)> {
    in_value("SETTING", value).map(|found| (found.what, found.guess))
}

#[test]
fn a_url_has_a_password_where_its_authority_says_so() {
    for value in [
        "postgres://app:8fk2PQx0d@db/app",
        "redis://:8fk2PQx0d@cache:6379",
        "mongodb+srv://app:8fk2PQx0d@a,b.example.com/?x=y",
        "https://app:8fk%2FPQ@[::1]/",
        "see https://app:8fk2PQx0d@db, or not",
        "jdbc:mysql://app:8fk2PQx0d@db/app",
        "http://a:b:c1d2@host",
        "first://guest:guest@x then second://app:8fk2PQx0d@y",
    ] {
        assert_eq!(what(value), Some((url::FORMAT.0, false)), "{value}");
    }
}

#[test]
fn a_password_that_everybody_tries_is_a_guess() {
    for value in [
        "amqp://guest:guest@queue",
        "postgres://postgres:postgres@db",
        "postgres://user:password@db",
        "mysql://root:changeme@db",
        "http://app:abc@db",
        "http://admin:admin123@db",
        "http://app:Password1!@db",
        "postgres://USER:DB_PASSWORD@HOST/db",
    ] {
        assert_eq!(what(value), Some((url::FORMAT.0, true)), "{value}");
    }
}

#[test]
fn a_url_without_a_password_or_with_one_to_be_put_there_is_nothing() {
    for value in [
        "postgres://app@db/app",
        "postgres://app:@db/app",
        "https://db:5432/path:x@y",
        "ssh://git@github.com:22/x",
        "docker://nginx:1.27@sha256:0123",
        "postgres://app:$(PASSWORD)@db",
        "postgres://app:${PASSWORD}@db",
        "postgres://app:$PASSWORD@db",
        "postgres://$(USER):$(PASSWORD)@db",
        "postgres://app:<password>@db",
        "postgres://<user>:<password>@<host>",
        "postgres://app:{{ .Values.password }}@db",
        "postgres://app:%s@db",
        "postgres://app:***@db",
        "postgres://app:xxxxx@db",
        "postgres://app:YOUR_PASSWORD@db",
        "postgres://app:REPLACE_ME@db",
        "://app:8fk2PQx0d@db",
        "a://app:8fk2PQx0d@db",
        "https://example.com/?u=a:b@c",
        "mailto:app:8fk2PQx0d@db",
        "http://a/b://c",
    ] {
        assert_eq!(what(value), None, "{value}");
    }
}

#[test]
fn examples_of_documents_are_no_credentials() {
    for value in [
        ["AKIA", "IOSFODNN7EXAMPLE"].concat(),
        format!("ghp_{}", "x".repeat(36)),
        format!("sk_live_{}", "0123456789abcdefghijklmnop"),
        format!("glpat-{}", "aaaaaaaaaaaaaaaaaaaa"),
        format!("AIza{}", "Example".repeat(5)),
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".to_owned(),
        "-----BEGIN PRIVATE KEY-----\n<your key>\n-----END PRIVATE KEY-----".to_owned(),
        ["Basic ", "dXNlcjpwYXNzd29yZA=="].concat(),
        "Basic realm=shop".to_owned(),
        "Basic authentication".to_owned(),
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=<key>".to_owned(),
    ] {
        assert_eq!(what(&value), None, "{value}");
    }
}

#[test]
fn an_encrypted_key_and_a_hash_are_not_in_clear() {
    let body = "MIIFHDBOBgkqhkiG9w0BBQ0wQTApBgkqhkiG9w0BBQwwHAQIx7hRq3kXzPkCAggA";
    let key =
        |label: &str, more: &str| format!("-----BEGIN {label}-----\n{more}{body}\n{body}\n-----END {label}-----\n");
    assert_eq!(what(&key("PRIVATE KEY", "")), Some(("private key", false)));
    assert_eq!(what(&key("ENCRYPTED PRIVATE KEY", "")), None);
    assert_eq!(what(&key("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0\n\n")), None);
    assert_eq!(what(&key("CERTIFICATE", "")), None);
    for line_break in ["\\n", "\\\\n", " "] {
        let on_one_line = key("EC PRIVATE KEY", "").replace('\n', line_break);
        assert_eq!(what(&on_one_line), Some(("private key", false)), "{on_one_line}");
    }
    let both = key("EC PRIVATE KEY", "") + &key("ENCRYPTED PRIVATE KEY", "");
    assert_eq!(what(&both), Some(("private key", false)));
    assert_eq!(what("admin:$2y$10$8wK1kPZ0b0E5s0V5q8h0Ue3g0R1n2u3b4v5c6x7z8a9s0d1f2g3h"), None);
}

#[test]
fn a_long_value_costs_no_more_than_its_length() {
    let header = base64_simd::URL_SAFE_NO_PAD.encode_to_string("{\"alg\":\"RS256\"}");
    for part in [
        "eyJ.",
        &format!("{header}."),
        "://",
        "://a:b@",
        "-----BEGIN ",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "sig=",
        "sk-",
        "ops_eyJ/",
        "\"auth\"",
        "\"auth\":\"YTpi",
        "Basic ",
        "Basic YTpi",
        ":AA",
        "1:AA",
        "Q~",
        "0Q~",
        ".atlasv1.",
        "LS0tLS1CRUdJTi",
        "AccountKey=",
        "service_account\"",
        "hooks.slack.com/",
        "discord.com/api/webhooks/1/",
        "ghp_",
        "ghs_eyJ ",
        "hooks.slack.com/services/T/",
        ".webhook.office.com/webhookb2/",
        ".webhook.office.com/webhookb2/@/IncomingWebhook/",
        "x-",
        "a=b ",
        "PASSWORD= ",
        "--password=$ ",
        "é",
    ] {
        let value = part.repeat((256 << 10) / part.len());
        let _ = in_value("DB_PASSWORD", &value);
        let _ = in_word(Some("--password"), &value);
    }
}

#[test]
fn debug_holds_nothing_of_the_value_but_the_name_of_a_flag() {
    let found = in_word(None, "--db-password=hunter2").unwrap();
    assert_eq!(format!("{found:?}"), "Credential { what: \"by its name\", guess: true, name: Some(\"db-password\") }");
}

proptest::proptest! {
    #[test]
    fn any_value_is_read_without_a_panic(value in "(é|://|@|:|-----BEGIN |PRIVATE KEY-----|\n|eyJ|\\.|sig=|sk-|Basic |\"auth\"|AA|Q~|[a-zA-Z0-9/+=_$(){}<>%-]){0,40}") {
        let _ = in_value("DB_PASSWORD", &value);
        let _ = in_word(Some("--password"), &value);
        let _ = is_template(&value);
    }
}
