//! Lines and their verdicts.

use super::verdict;

#[test]
fn a_line_is_taken_as_the_specification_has_it() {
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
            "192.0.2.1:56324 to 198.51.100.2:443, 45",
        ),
        (
            "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n",
            "0.0.0.0:0 to 255.255.255.255:65535, 44",
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\nGET", "[2001:db8::1]:1 to [::1]:2, 32"),
        ("PROXY TCP6 :: 2001:DB8:0:0::1 1 2\r\n", "[::]:1 to [2001:db8::1]:2, 35"),
        ("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n", "192.0.2.1:1 to [2001:db8::1]:2, 45"),
        ("PROXY TCP6 ::ffff:c000:201 ::ffff:127.0.0.1 1 2\r\n", "192.0.2.1:1 to 127.0.0.1:2, 49"),
        ("PROXY UNKNOWN\r\n", "local, 15"),
        ("PROXY UNKNOWN \r\n", "local, 16"),
        ("PROXY UNKNOWN TCP4 \0\u{ff} 192.0.2.1\r\n\r\n", "local, 34"),
    ] {
        assert_eq!(verdict(line.as_bytes()), expected, "{line:?}");
    }
}

const REFUSED: [(&[&str], &str); 6] = [
    (
        &[
            "\n",
            "GET / HTTP/1.1\r\n",
            "\x16\x03\x01",
            "proxy",
            "PROXYTCP4",
            "PROXY\t",
            "POST",
            "PROXY\r\n",
            " PROXY ",
        ],
        "no proxy header",
    ),
    (
        &[
            "PROXY \r\n",
            "PROXY TCP\r\n",
            "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY UNKNOWN\t\r\n",
            "PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n",
        ],
        "unknown family in a proxy line",
    ),
    (
        &[
            "PROXY TCP4\r\n",
            "PROXY TCP4 \r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
            "PROXY TCP4 \u{e4} \u{e4}\r\n",
        ],
        "malformed proxy line",
    ),
    (
        &[
            "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 ::1 1 2\r\n",
            "PROXY TCP4 1.1.1.1: 2.2.2.2 1 2\r\n",
            "PROXY TCP4 0x1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP6 1.1.1.1 ::1 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY TCP6 ::1%lo ::1 1 2\r\n",
            "PROXY TCP6 :::1 ::1 1 2\r\n",
            "PROXY TCP6 1::2::3 ::1 1 2\r\n",
            "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
            "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
            "PROXY TCP6 ::00001 ::1 1 2\r\n",
            "PROXY TCP6 ::ffff:1.2.3.04 ::1 1 2\r\n",
            "PROXY TCP4 \u{0661}.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n",
        ],
        "malformed address in a proxy line",
    ),
    (
        &[
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 02\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 00 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\t\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 \u{0661} 2\r\n",
        ],
        "malformed port in a proxy line",
    ),
    (
        &[
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rG",
            "PROXY UNKNOWN a\nb\r\n",
            "PROXY UNKNOWN a\rb\r\n",
            "PROXY UNKNOWN\n\r\n",
        ],
        "bare line end in a proxy line",
    ),
];

#[test]
fn any_other_line_is_refused() {
    for (lines, expected) in REFUSED {
        for line in lines {
            assert_eq!(verdict(line.as_bytes()), expected, "{line:?}");
        }
    }
}

#[test]
fn a_line_of_107_bytes_is_the_longest() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "f".repeat(length - 16));
    assert_eq!(verdict(line(107).as_bytes()), "local, 107");
    for line in [line(108), line(109), line(4000)] {
        assert_eq!(verdict(line.as_bytes()), "proxy line too long");
        assert_eq!(verdict(&line.as_bytes()[..106]), "incomplete");
    }
}
