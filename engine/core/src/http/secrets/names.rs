//! Which names of parameters and fields are those of secrets. Where a value may as well say what is
//! asked for (`key=42`, `max_tokens=100`, `page_token`), the name is none of a secret.

/// A name whose letters contain one of these is that of a secret, whatever else it contains.
const PARTS: [&str; 15] = [
    "passw",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "authkey",
    "accesskey",
    "privatekey",
    "credential",
    "signature",
    "sessionid",
    "sessid",
    "oauth",
    "authcode",
    "authorizationcode",
];
/// A name with one of these words is that of a secret: they are parts of harmless words too.
const WORDS: [&str; 5] = ["pwd", "otp", "jwt", "cookie", "verifier"];
/// Names that are those of secrets alone: with other words they are harmless.
const WHOLE: [&str; 9] =
    ["pw", "pass", "auth", "authorization", "authentication", "session", "sid", "sig", "xauth"];
/// A token beside one of these words is a place in a list or a unit of text.
const OF_LISTS: [&str; 13] = [
    "page",
    "next",
    "nextpage",
    "prev",
    "previous",
    "pagination",
    "continuation",
    "cursor",
    "sync",
    "max",
    "min",
    "stop",
    "cancel",
];

/// Whether a parameter, or a field of a body, of this name is a secret: `password`, `api_key`,
/// `X-Amz-Signature`; not `author`, `sort_key`, `max_tokens`.
pub fn is_secret_field(name: &str) -> bool {
    let words = words(name);
    let letters = words.concat();
    PARTS.iter().any(|part| letters.contains(part))
        || WHOLE.contains(&&*letters)
        || words.iter().any(|word| WORDS.contains(&&**word))
        || has_token(&words)
        || words.starts_with(&["x".to_owned(), "auth".to_owned()])
}

/// `access_token`, `csrfToken`, `authtoken`.
fn has_token(words: &[String]) -> bool {
    let Some(at) = words.iter().position(|word| word.ends_with("token")) else { return false };
    let is_of_list = |word: &String| OF_LISTS.contains(&word.trim_end_matches("token"));
    let is_measure = |word: &String| ["type", "count", "limit", "index"].contains(&&**word);
    !words[..=at].iter().any(is_of_list) && !words[at + 1..].iter().any(is_measure)
}

/// The words of a name in small letters: `userToken`, `user_token` and `user[token]` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_small = false;
    for letter in name.chars() {
        let is_word = letter.is_ascii_alphanumeric();
        if !is_word || (is_small && letter.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if is_word && let Some(word) = words.last_mut() {
            word.push(letter.to_ascii_lowercase());
        }
        is_small = letter.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_harmless_ones_are_not() {
        for name in [
            "password",
            "Password_new",
            "user[password]",
            "access_token",
            "csrfToken",
            "authtoken",
            "X-Amz-Signature",
            "api-key",
            "clientSecret",
            "SID",
            "PHPSESSID",
            "csrf_token",
            "auth",
            "auth_code",
            "oauth_verifier",
            "code_verifier",
            "x-auth-user",
            "cookie",
            "sessionId",
            "user_otp",
            "token",
        ] {
            assert!(is_secret_field(name), "{name}");
        }
        for name in [
            "author",
            "sort_key",
            "key",
            "pin",
            "keyboard",
            "sessions",
            "compass",
            "spin",
            "q",
            "",
            "max_tokens",
            "tokens",
            "token_type",
            "tokenType",
            "tokenizer",
            "nextPageToken",
            "page_token",
            "pagetoken",
            "maxAuthors",
            "laptop",
        ] {
            assert!(!is_secret_field(name), "{name}");
        }
    }
}
