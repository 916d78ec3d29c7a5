//! A distinguished name as one line of text (RFC 4514) that holds nothing which a header, a quoted
//! string or a terminal would take for its own.

use std::fmt::Write as _;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{self, Encode as _, Tag, Tagged as _};
use x509_cert::name::Name;

/// Short names as OpenSSL has them, which are RFC 4514's where that has any.
const KEYWORDS: [(&str, ObjectIdentifier); 20] = [
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("SN", ObjectIdentifier::new_unwrap("2.5.4.4")),
    ("serialNumber", ObjectIdentifier::new_unwrap("2.5.4.5")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("street", ObjectIdentifier::new_unwrap("2.5.4.9")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("title", ObjectIdentifier::new_unwrap("2.5.4.12")),
    ("description", ObjectIdentifier::new_unwrap("2.5.4.13")),
    ("businessCategory", ObjectIdentifier::new_unwrap("2.5.4.15")),
    ("name", ObjectIdentifier::new_unwrap("2.5.4.41")),
    ("GN", ObjectIdentifier::new_unwrap("2.5.4.42")),
    ("initials", ObjectIdentifier::new_unwrap("2.5.4.43")),
    ("dnQualifier", ObjectIdentifier::new_unwrap("2.5.4.46")),
    ("organizationIdentifier", ObjectIdentifier::new_unwrap("2.5.4.97")),
    ("UID", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1")),
    ("DC", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25")),
    ("emailAddress", ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1")),
];

/// The name's text, from the most specific part on.
pub(super) fn text(name: &Name) -> der::Result<String> {
    let mut out = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (at, part) in parts.into_iter().rev().enumerate() {
        let attributes: Vec<_> = part.iter().collect();
        for (within, attribute) in attributes.into_iter().rev().enumerate() {
            out.push_str(match (at, within) {
                (0, 0) => "",
                (_, 0) => ",",
                _ => "+",
            });
            write_attribute(attribute, &mut out)?;
        }
    }
    Ok(out)
}

/// The values of one attribute in the certificate's order, without those that are no text or hold a
/// control character: a NUL or a line end in a name is there to deceive.
pub(super) fn values(name: &Name, oid: ObjectIdentifier) -> Vec<String> {
    let values = name.iter().filter(|one| one.oid == oid).filter_map(|one| string(&one.value));
    values.filter(|value| !value.chars().any(char::is_control)).collect()
}

fn write_attribute(attribute: &AttributeTypeAndValue, out: &mut String) -> der::Result<()> {
    let keyword =
        KEYWORDS.iter().find(|(_, oid)| *oid == attribute.oid).map(|(keyword, _)| *keyword);
    match keyword {
        Some(keyword) => out.push_str(keyword),
        None => out.push_str(&attribute.oid.to_string()),
    }
    out.push('=');
    match keyword.and_then(|_| string(&attribute.value)) {
        Some(value) => write_escaped(&value, out),
        None => {
            out.push('#');
            attribute.value.to_der()?.iter().for_each(|byte| write_hex(*byte, out));
        }
    }
    Ok(())
}

/// RFC 4514, 2.4. Where it leaves the choice, a hex pair: nothing that a quoted string would end at, and
/// no backslash at the end of a line that was trimmed.
fn write_escaped(value: &str, out: &mut String) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b' ' if at != 0 && at != last => out.push(' '),
            b',' | b'+' | b';' | b'<' | b'>' => out.extend(['\\', char::from(byte)]),
            b'#' if at == 0 => out.push_str("\\#"),
            b'"' | b'\\' => write_pair(byte, out),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => write_pair(byte, out),
        }
    }
}

fn write_pair(byte: u8, out: &mut String) {
    out.push('\\');
    write_hex(byte, out);
}

fn write_hex(byte: u8, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{byte:02X}");
}

/// The text of a string of whatever type. The types of one byte a character are read as Latin-1, which
/// is what stands in them, whatever they allow.
fn string(value: &Any) -> Option<String> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString
        | Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString if bytes.len().is_multiple_of(2) => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}
