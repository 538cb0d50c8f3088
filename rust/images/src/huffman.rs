//! Tables that decode the codes of deflate data (RFC 1951, section 3.2).

/// Bits that the first lookup in a table decides.
pub const LITERAL_BITS: u32 = 11;
pub const DISTANCE_BITS: u32 = 8;
pub const LENGTH_BITS: u32 = 7;
/// Complete codes need up to 2,342 and 402 entries, with subtables. Indices of powers of two need no checks.
pub const LITERAL_SIZE: usize = 1 << 12;
pub const DISTANCE_SIZE: usize = 1 << 9;
pub const LENGTH_SIZE: usize = 1 << LENGTH_BITS;

// Bits of an entry of a table, where SPECIAL alone is an unused code:
//   a literal          LITERAL; 16-23 the byte; 0-7 bits of the code
//   a length, distance 16-30 its base; 8-11 bits of the code; 0-7 the same with the extra bits
//   the end of a block SPECIAL, END; 0-7 bits of the code
//   a subtable         SPECIAL, SUBTABLE; 16-27 its start; 8-11 its bits
pub const LITERAL: u32 = 1 << 31;
pub const SPECIAL: u32 = 1 << 15;
pub const SUBTABLE: u32 = 1 << 14;
pub const END: u32 = 1 << 13;

const MAX_CODE: usize = 15;
pub const LITERALS: usize = 288;
pub const DISTANCES: usize = 32;
pub const END_OF_BLOCK: usize = 256;

/// Build the table of a canonical code. Return false if it is not complete; a code of one bit or none may be incomplete
/// with `is_single_allowed`.
pub fn build_table(
    lengths: &[u8],
    entry_of: impl Fn(usize, u32) -> u32,
    table: &mut [u32],
    table_bits: u32,
    is_single_allowed: bool,
) -> bool {
    let mut counts = [0usize; MAX_CODE + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut starts = [0; MAX_CODE + 2];
    let (mut left, mut longest) = (1i32, 0);
    for length in 1..=MAX_CODE {
        left = (left << 1) - counts[length] as i32;
        if left < 0 {
            return false;
        }
        starts[length + 1] = starts[length] + counts[length];
        if counts[length] > 0 {
            longest = length as u32;
        }
    }
    if left > 0 {
        if longest > 1 || !is_single_allowed {
            return false;
        }
        table[..1 << table_bits].fill(SPECIAL | 1);
        if let Some(symbol) = lengths.iter().position(|&length| length == 1) {
            for index in (0..1 << table_bits).step_by(2) {
                table[index] = entry_of(symbol, 1);
            }
        }
        return true;
    }
    let mut symbols = [0u16; LITERALS];
    for (symbol, &length) in lengths.iter().enumerate() {
        if length > 0 {
            let next = &mut starts[usize::from(length)];
            symbols[*next] = symbol as u16;
            *next += 1;
        }
    }
    // Codes are stored with their first bit lowest. All codes of a length are written to a table of that many bits, which
    // is then doubled.
    let (mut code, mut next) = (0usize, 0);
    for length in 1..=table_bits {
        for _ in 0..counts[length as usize] {
            table[code] = entry_of(usize::from(symbols[next]), length);
            next += 1;
            code = next_code(code, length);
        }
        if length < table_bits {
            table.copy_within(0..1 << length, 1 << length);
        }
    }
    let mask = (1 << table_bits) - 1;
    let (mut prefix, mut start, mut size_bits, mut free) = (usize::MAX, 0, 0, 1 << table_bits);
    for length in table_bits + 1..=longest {
        let mut remaining = counts[length as usize];
        while remaining > 0 {
            if code & mask != prefix {
                prefix = code & mask;
                start = free;
                size_bits = length - table_bits;
                let mut used = remaining;
                while used < 1 << size_bits {
                    size_bits += 1;
                    used = (used << 1) + counts[(table_bits + size_bits) as usize];
                }
                free += 1 << size_bits;
                table[prefix] =
                    (start as u32) << 16 | SPECIAL | SUBTABLE | size_bits << 8 | table_bits;
            }
            let entry = entry_of(usize::from(symbols[next]), length - table_bits);
            let step = 1 << (length - table_bits);
            for index in (code >> table_bits..1 << size_bits).step_by(step) {
                table[start + index] = entry;
            }
            next += 1;
            remaining -= 1;
            code = next_code(code, length);
        }
    }
    true
}

/// Return the code after another one of a length, both with their first bit lowest; the last one has none after it.
fn next_code(code: usize, length: u32) -> usize {
    let zeros = code ^ ((1 << length) - 1);
    if zeros == 0 {
        return code;
    }
    let bit = 1 << zeros.ilog2();
    code & (bit - 1) | bit
}

pub fn create_literal(symbol: usize, length: u32) -> u32 {
    const BASES: [usize; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
        131, 163, 195, 227, 258,
    ];
    const EXTRA: [u32; 29] = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ];
    match symbol {
        0..=255 => LITERAL | (symbol as u32) << 16 | length,
        END_OF_BLOCK => SPECIAL | END | length,
        257..=285 => create_entry(BASES[symbol - 257], EXTRA[symbol - 257], length),
        _ => SPECIAL | length,
    }
}

pub fn create_distance(symbol: usize, length: u32) -> u32 {
    if symbol >= 30 {
        return SPECIAL | length;
    }
    let extra = (symbol as u32 / 2).saturating_sub(1);
    let base = if symbol < 4 {
        symbol + 1
    } else {
        ((2 + symbol % 2) << extra) + 1
    };
    create_entry(base, extra, length)
}

pub fn create_entry(base: usize, extra_bits: u32, length: u32) -> u32 {
    (base as u32) << 16 | length << 8 | (length + extra_bits)
}
