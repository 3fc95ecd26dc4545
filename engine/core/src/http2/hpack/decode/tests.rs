//! The examples of RFC 7541 appendix C, and blocks that cannot be decoded.

use super::*;

type Fields = Vec<(String, String)>;

fn fields_of(decoder: &mut Decoder, block: &[u8]) -> Result<(Fields, Effects), Violation> {
    let mut fields = Fields::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let effects = decoder.decode(block, |(name, value)| fields.push((text(name), text(value))))?;
    Ok((fields, effects))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("hexadecimal")).collect()
}

fn owned(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One block of a sequence, its fields, and the size of the table behind it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);

fn check(size: usize, cases: &[Case<'_>]) {
    let mut decoder = Decoder::new(SIZE_DEFAULT);
    decoder.table.resize(size);
    for (block, expected, size) in cases {
        let (fields, _) = fields_of(&mut decoder, &bytes(block)).expect("it is valid");
        assert_eq!(fields, owned(expected), "{block}");
        assert_eq!(decoder.table.size(), *size, "{block}");
    }
}

#[test]
fn single_fields() {
    check(
        4_096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            &[("custom-key", "custom-header")],
            55,
        )],
    );
    check(4_096, &[("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")], 0)]);
    check(4_096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")], 0)]);
    check(4_096, &[("82", &[(":method", "GET")], 0)]);
}

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

#[test]
fn requests_with_and_without_huffman() {
    let [first, second, third] = REQUESTS;
    check(
        4_096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", second, 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                third,
                164,
            ),
        ],
    );
    check(
        4_096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", second, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164),
        ],
    );
}

#[test]
fn answers_with_and_without_huffman_evict_entries() {
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let first: &[(&str, &str)] = &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", date),
        ("location", "https://www.example.com"),
    ];
    let mut second = first.to_vec();
    second[0].1 = "307";
    let third: &[(&str, &str)] = &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ];
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a \
         3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
         677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
         553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let huffman = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
         4ee5 b106 3d50 07",
    ];
    for [a, b, c] in [plain, huffman] {
        check(256, &[(a, first, 222), (b, &second, 222), (c, third, 215)]);
    }
}

#[test]
fn integers_may_take_several_bytes() {
    let read = |hex: &str, prefix| {
        let bytes = bytes(hex);
        let mut rest = bytes.as_slice();
        integer(&mut rest, prefix).map(|value| (value, rest.len()))
    };
    // RFC 7541 appendix C.1.
    assert_eq!(read("0a", 5), Ok((10, 0)));
    assert_eq!(read("1f9a0a", 5), Ok((1_337, 0)));
    assert_eq!(read("2a", 8), Ok((42, 0)));
    assert_eq!(read("1f00ff", 5), Ok((31, 1)));
    assert_eq!(read("1fffffff7f", 5), Ok((31 + (1 << 28) - 1, 0)));
    for hex in ["", "1f", "1f80", "1fffffffff7f", "1f8080808000"] {
        assert!(read(hex, 5).is_err(), "{hex}");
    }
}

#[test]
fn blocks_that_cannot_be_decoded() {
    for (hex, part) in [
        ("80", "does not have"),
        ("be", "does not have"),
        ("ff", "middle of a field"),
        ("41", "middle of a field"),
        ("4103 6162", "middle of a field"),
        ("0f0d", "middle of a field"),
        ("0f2f", "does not have"),
        ("7e 00", "does not have"),
        ("82 20", "behind a field"),
        ("3fe2 1f", "larger than allowed"),
        ("0081 0600", "Huffman"),
    ] {
        let why = fields_of(&mut Decoder::new(4_096), &bytes(hex)).expect_err(hex);
        assert!(why.fault.contains(part), "{hex}: {why}");
    }
}

#[test]
fn size_updates_stand_in_front_and_evict() {
    let mut decoder = Decoder::new(4_096);
    let (_, effects) = fields_of(&mut decoder, &bytes("4001 6101 62")).expect("valid");
    assert_eq!(effects, Effects { inserts: true, inserted: 34, ..Effects::default() });
    let (fields, effects) = fields_of(&mut decoder, &bytes("be")).expect("valid");
    assert_eq!((fields, effects.refers), (owned(&[("a", "b")]), true));
    let (fields, effects) = fields_of(&mut decoder, &bytes("20 3fe1 1f 82")).expect("valid");
    assert_eq!((fields, effects.resizes), (owned(&[(":method", "GET")]), true));
    assert_eq!((decoder.table.size(), decoder.table.size_max()), (0, 4_096));
    assert_eq!(fields_of(&mut decoder, &bytes("be")).expect_err("evicted"), DANGLING);
}

#[test]
fn a_block_that_says_too_much_is_refused() {
    let mut decoder = Decoder::new(4_096);
    let value = "v".repeat(4_000);
    let insert = [b"\x40\x01a\x7f\xa1\x1e".as_slice(), value.as_bytes()].concat();
    let (fields, _) = fields_of(&mut decoder, &insert).expect("valid");
    assert_eq!(fields, owned(&[("a", &value)]));
    let bomb = [0xbe; 70];
    assert!(fields_of(&mut decoder, &bomb).is_err());
}
