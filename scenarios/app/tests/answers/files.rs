//! The static files: whole, by ranges, and none but those of the folder.

use std::fs;
use std::os::unix::fs::symlink;

use crate::served::{Answer, Served};

fn range(served: &Served, path: &str, range: &str) -> Answer {
    served.send("GET", path, &format!("Range: {range}\r\n"), b"")
}

#[test]
fn files_come_whole_or_by_a_range() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let letters: Vec<u8> = (0..200_000).map(|index| b'a' + (index % 26) as u8).collect();
    fs::create_dir(folder.path().join("deep")).expect("room");
    fs::write(folder.path().join("deep/letters.txt"), &letters).expect("room");
    let served = Served::start_with(|options| options.files = Some(folder.path().to_owned()));
    for (path, length) in [("/static/bench.bin", 102_400), ("/static/deep/letters.txt", 200_000)] {
        let whole = served.get(path);
        assert_eq!(whole.status, 200);
        assert!(whole.head.contains("accept-ranges: bytes"), "{}", whole.head);
        assert_eq!(whole.body, letters[..length]);
        let head = served.send("HEAD", path, "Range: bytes=0-1\r\n", b"");
        assert!(head.head.contains(&format!("content-length: {length}")), "{}", head.head);
        assert!(head.body.is_empty());
        let part = range(&served, path, "bytes=99990-100009");
        assert_eq!((part.status, &part.body[..]), (206, &letters[99_990..100_010]));
        let reported = format!("content-range: bytes 99990-100009/{length}");
        assert!(part.head.contains(&reported), "{}", part.head);
        assert_eq!(range(&served, path, "bytes=-3").body, letters[length - 3..length]);
        let beyond = range(&served, path, "bytes=300000-");
        assert_eq!((beyond.status, beyond.body.len()), (416, 0));
        let reported = format!("content-range: bytes */{length}");
        assert!(beyond.head.contains(&reported), "{}", beyond.head);
        assert_eq!(range(&served, path, "bytes=0-1,5-6").body.len(), length);
    }
    assert!(served.get("/static/deep/letters.txt").head.contains("text/plain"));
}

#[test]
fn nothing_outside_and_nothing_hidden_is_served() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("deep")).expect("room");
    fs::create_dir(root.join(".git")).expect("room");
    for secret in ["secret", "root/.env", "root/.git/config", "root/open"] {
        fs::write(folder.path().join(secret), "secret").expect("room");
    }
    symlink("../secret", root.join("link")).expect("room");
    symlink(folder.path().join("secret"), root.join("far")).expect("room");
    symlink("..", root.join("up")).expect("room");
    symlink("../open", root.join("deep/near")).expect("room");
    let served = Served::start_with(|options| options.files = Some(root.clone()));
    let cases = [
        ("open", 200),
        ("deep/near", 200),
        ("nothing", 404),
        ("deep", 404),
        ("../secret", 403),
        ("deep/../../secret", 403),
        ("%2e%2e/secret", 403),
        ("..%2fsecret", 403),
        ("deep/%2e%2e/%2e%2e/secret", 403),
        (".env", 403),
        ("%2eenv", 403),
        (".git/config", 403),
        ("link", 403),
        ("far", 403),
        ("up/secret", 403),
        ("/etc/passwd", 403),
        ("%2fetc/passwd", 403),
        ("..\\secret", 403),
        ("open%00.txt", 404),
    ];
    for (path, status) in cases {
        let answer = served.get(&format!("/static/{path}"));
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.text() == "secret", status == 200, "{path}: {answer:?}");
    }
}
