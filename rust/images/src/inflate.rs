//! Decompression of deflate data (RFC 1951) as a stream, with the technique of libdeflate: wide tables, 64 bits in a
//! register, and matches that are copied within the output. Accepts what zlib accepts.
//!
//! Contains no unsafe code: damaged data can at worst give other bytes. Computes no checksum and reads no gzip headers.

use crate::huffman::{
    build_table, create_distance, create_entry, create_literal, DISTANCES, DISTANCE_BITS,
    DISTANCE_SIZE, END, END_OF_BLOCK, LENGTH_BITS, LENGTH_SIZE, LITERAL, LITERALS, LITERAL_BITS,
    LITERAL_SIZE, SPECIAL, SUBTABLE,
};

/// Bytes that a distance can reach back. The caller keeps them before the output.
pub const HISTORY: usize = 32 << 10;
/// Bytes after the limit of the output that can be overwritten: three literals, the longest match, and the copies of 32 bytes.
pub const SLACK: usize = 3 + 258 + 32;
/// More bytes than the header of a block takes. Input with less is the rest of the blob.
pub const MIN_INPUT: usize = 1 << 10;

/// Bytes that a literal or length and a distance take at most, with those that are read in advance.
const MAX_SYMBOLS: usize = 24;

/// The order in which the lengths of the code of lengths are stored.
const LENGTH_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The reason for which data cannot be decompressed.
#[derive(Debug)]
pub enum Fault {
    /// The data ends before its last block does.
    Truncated,
    /// The data is invalid, for the reason that zlib states for it.
    Damaged(&'static str),
}

type Outcome<T> = Result<T, &'static str>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// A stored block with a number of bytes left.
    Stored(usize),
    Compressed,
    Done,
}

/// The state between two parts of the data.
pub struct Inflater {
    state: State,
    is_last: bool,
    has_fixed_codes: bool,
    /// The bits of a byte that was consumed in part, and their number.
    bits: u64,
    count: u32,
    literals: Box<[u32; LITERAL_SIZE]>,
    distances: Box<[u32; DISTANCE_SIZE]>,
}

/// A part of the data that is read bit by bit.
struct Bits<'a> {
    input: &'a [u8],
    /// The next byte. Beyond the end, zeros were read.
    position: usize,
    /// The next bits, lowest first. Those above `count` are unset, or already those of the bytes at `position`.
    bits: u64,
    /// Their number in the lowest six bits. The others are not used, so that entries of tables can be subtracted.
    count: u32,
}

/// A buffer with the history before `end`. Bytes are added until `limit` is reached.
struct Output<'a> {
    buffer: &'a mut [u8],
    end: usize,
    limit: usize,
}

impl Bits<'_> {
    /// Have at least 56 bits. The input has 8 bytes from the position on.
    #[inline(always)]
    fn refill_inside(&mut self) {
        let bytes = &self.input[self.position..self.position + 8];
        let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        self.bits |= word.wrapping_shl(self.count);
        self.position += (!self.count >> 3 & 7) as usize;
        self.count |= 56;
    }

    /// Have at least 56 bits, with zeros after the end of the input.
    fn refill(&mut self) {
        if self.position + 8 <= self.input.len() {
            return self.refill_inside();
        }
        self.count &= 63;
        while self.count < 56 {
            let byte = self.input.get(self.position).copied().unwrap_or(0);
            self.bits |= u64::from(byte) << self.count;
            self.position += 1;
            self.count += 8;
        }
    }

    /// Consume the number of bits in the lowest six bits of a value.
    #[inline(always)]
    fn consume(&mut self, value: u32) {
        self.bits = self.bits.wrapping_shr(value);
        self.count = self.count.wrapping_sub(value);
    }

    /// Consume and return bits.
    fn take(&mut self, count: u32) -> usize {
        let value = self.bits & ((1 << count) - 1);
        self.consume(count);
        value as usize
    }

    /// Return True if bits after the end of the input were consumed.
    #[inline(always)]
    fn is_exceeded(&self) -> bool {
        self.position > self.input.len() + ((self.count & 63) >> 3) as usize
    }

    /// Give whole bytes back; return the position after the last byte that was consumed.
    fn align(&mut self) -> usize {
        self.count &= 63;
        self.position -= (self.count >> 3) as usize;
        self.count &= 7;
        self.bits &= (1 << self.count) - 1;
        self.position
    }
}

impl Inflater {
    pub fn new() -> Self {
        Self {
            state: State::Header,
            is_last: false,
            has_fixed_codes: false,
            bits: 0,
            count: 0,
            literals: Box::new([0; LITERAL_SIZE]),
            distances: Box::new([0; DISTANCE_SIZE]),
        }
    }

    /// Begin with other data.
    pub fn reset(&mut self) {
        (self.state, self.bits, self.count) = (State::Header, 0, 0);
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Add bytes to `buffer` from `end` on until `limit` is reached, which may exceed it by `SLACK`. The history before
    /// `end` begins with the data, or has `HISTORY` bytes. Return the numbers of bytes consumed and produced.
    pub fn inflate(
        &mut self,
        input: &[u8],
        buffer: &mut [u8],
        end: usize,
        limit: usize,
    ) -> Result<(usize, usize), Fault> {
        let mut bits = Bits {
            input,
            position: 0,
            bits: self.bits,
            count: self.count,
        };
        let mut output = Output { buffer, end, limit };
        let outcome = self.read_blocks(&mut bits, &mut output);
        if bits.is_exceeded() {
            return Err(Fault::Truncated);
        }
        outcome.map_err(Fault::Damaged)?;
        let consumed = bits.align();
        (self.bits, self.count) = (bits.bits, bits.count);
        if input.len() < MIN_INPUT
            && consumed == input.len()
            && output.end < limit
            && !self.is_done()
        {
            return Err(Fault::Truncated);
        }
        Ok((consumed, output.end - end))
    }

    /// Read blocks until the end of the data, of the input or of the output.
    fn read_blocks(&mut self, bits: &mut Bits<'_>, output: &mut Output<'_>) -> Outcome<()> {
        let is_rest = bits.input.len() < MIN_INPUT;
        while output.end < output.limit && !bits.is_exceeded() {
            match self.state {
                State::Done => break,
                State::Header => {
                    if !is_rest && bits.position + MIN_INPUT > bits.input.len() {
                        break;
                    }
                    self.read_header(bits)?;
                }
                State::Stored(size) => {
                    let left = copy_stored(bits, output, size);
                    if left > 0 {
                        self.state = State::Stored(left);
                        break;
                    }
                    self.state = self.next_block();
                }
                State::Compressed => {
                    let (literals, distances) = (&self.literals, &self.distances);
                    let is_inside = bits.position + MAX_SYMBOLS < bits.input.len();
                    let is_end = if is_inside {
                        copy_symbols::<false>(bits, literals, distances, output)?
                    } else if is_rest {
                        copy_symbols::<true>(bits, literals, distances, output)?
                    } else {
                        break;
                    };
                    if is_end {
                        self.state = self.next_block();
                    }
                }
            }
        }
        Ok(())
    }

    fn next_block(&self) -> State {
        if self.is_last {
            State::Done
        } else {
            State::Header
        }
    }

    fn read_header(&mut self, bits: &mut Bits<'_>) -> Outcome<()> {
        bits.refill();
        self.is_last = bits.take(1) == 1;
        match bits.take(2) {
            0 => {
                bits.take(bits.count & 7);
                bits.refill();
                let (size, complement) = (bits.take(16), bits.take(16));
                if size ^ complement != 0xffff {
                    return Err("invalid stored block lengths");
                }
                self.state = State::Stored(size);
            }
            1 => {
                self.build_fixed_codes();
                self.state = State::Compressed;
            }
            2 => {
                self.read_codes(bits)?;
                self.state = State::Compressed;
            }
            _ => return Err("invalid block type"),
        }
        Ok(())
    }

    fn build_fixed_codes(&mut self) {
        if self.has_fixed_codes {
            return;
        }
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.has_fixed_codes = self.build_codes(&lengths, &[5; DISTANCES]).is_ok();
        debug_assert!(self.has_fixed_codes);
    }

    fn build_codes(&mut self, literals: &[u8], distances: &[u8]) -> Outcome<()> {
        if !build_table(
            literals,
            create_literal,
            &mut *self.literals,
            LITERAL_BITS,
            true,
        ) {
            return Err("invalid literal/lengths set");
        }
        if !build_table(
            distances,
            create_distance,
            &mut *self.distances,
            DISTANCE_BITS,
            true,
        ) {
            return Err("invalid distances set");
        }
        Ok(())
    }

    /// Read the codes of a block, which are compressed themselves.
    fn read_codes(&mut self, bits: &mut Bits<'_>) -> Outcome<()> {
        let literal_count = bits.take(5) + 257;
        let distance_count = bits.take(5) + 1;
        let length_count = bits.take(4) + 4;
        if literal_count > 286 || distance_count > 30 {
            return Err("too many length or distance symbols");
        }
        let mut lengths = [0; LENGTH_ORDER.len()];
        for index in &LENGTH_ORDER[..length_count] {
            bits.refill();
            lengths[*index] = bits.take(3) as u8;
        }
        let mut table = [0; LENGTH_SIZE];
        let create = |symbol, length| create_entry(symbol, 0, length);
        if !build_table(&lengths, create, &mut table, LENGTH_BITS, false) {
            return Err("invalid code lengths set");
        }
        let mut lengths = [0; LITERALS + DISTANCES];
        let lengths = &mut lengths[..literal_count + distance_count];
        read_lengths(bits, &table, lengths)?;
        if lengths[END_OF_BLOCK] == 0 {
            return Err("invalid code -- missing end-of-block");
        }
        self.has_fixed_codes = false;
        let (literals, distances) = lengths.split_at(literal_count);
        self.build_codes(literals, distances)
    }
}

fn read_lengths(
    bits: &mut Bits<'_>,
    table: &[u32; LENGTH_SIZE],
    lengths: &mut [u8],
) -> Outcome<()> {
    let mut count = 0;
    while count < lengths.len() {
        bits.refill();
        let entry = table[bits.bits as usize & (LENGTH_SIZE - 1)];
        bits.consume(entry);
        let (value, repeat) = match entry >> 16 {
            value @ 0..=15 => (value as u8, 1),
            16 if count == 0 => return Err("invalid bit length repeat"),
            16 => (lengths[count - 1], bits.take(2) + 3),
            17 => (0, bits.take(3) + 3),
            _ => (0, bits.take(7) + 11),
        };
        if repeat > lengths.len() - count {
            return Err("invalid bit length repeat");
        }
        lengths[count..count + repeat].fill(value);
        count += repeat;
    }
    Ok(())
}

/// Copy bytes of a stored block; return the number of its bytes that are left.
fn copy_stored(bits: &mut Bits<'_>, output: &mut Output<'_>, size: usize) -> usize {
    let start = bits.align();
    let count = size
        .min(output.limit - output.end)
        .min(bits.input.len() - start);
    output.buffer[output.end..output.end + count]
        .copy_from_slice(&bits.input[start..start + count]);
    bits.position += count;
    output.end += count;
    size - count
}

/// Decode symbols until the end of the block (then return true), of the input or of the output. With `IS_REST`, the end
/// of the input is that of the blob.
#[inline(never)]
fn copy_symbols<const IS_REST: bool>(
    source: &mut Bits<'_>,
    literals: &[u32; LITERAL_SIZE],
    distances: &[u32; DISTANCE_SIZE],
    output: &mut Output<'_>,
) -> Outcome<bool> {
    // Local copies stay in registers.
    let mut failure = None;
    let mut bits = Bits { ..*source };
    let (limit, input_end) = (output.limit, bits.input.len().saturating_sub(MAX_SYMBOLS));
    let buffer = &mut *output.buffer;
    let mut end = output.end;
    let is_open = |bits: &Bits<'_>, end: usize| {
        end < limit
            && if IS_REST {
                !bits.is_exceeded()
            } else {
                bits.position < input_end
            }
    };
    let refill = |bits: &mut Bits<'_>| {
        if IS_REST {
            bits.refill();
        } else {
            bits.refill_inside();
        }
    };
    refill(&mut bits);
    let mut entry = find(literals, &bits, LITERAL_BITS);
    let is_end = loop {
        if !is_open(&bits, end) {
            break false;
        }
        refill(&mut bits);
        // Three literals and a length take 53 bits of 56 at most.
        for byte in &mut buffer[end..end + 3] {
            if entry & LITERAL == 0 {
                break;
            }
            *byte = (entry >> 16) as u8;
            bits.consume(entry);
            entry = find(literals, &bits, LITERAL_BITS);
            end += 1;
        }
        if entry & LITERAL != 0 {
            continue;
        }
        if entry & SPECIAL != 0 {
            entry = find_in_subtable(literals, &mut bits, entry, LITERAL_BITS);
            if entry & LITERAL != 0 {
                buffer[end] = (entry >> 16) as u8;
                bits.consume(entry);
                refill(&mut bits);
                entry = find(literals, &bits, LITERAL_BITS);
                end += 1;
                continue;
            }
            if entry & END != 0 {
                bits.consume(entry);
                break true;
            }
            if entry & SPECIAL != 0 {
                failure = Some("invalid literal/length code");
                break false;
            }
        }
        let length = read_value(&mut bits, entry);
        // A distance takes 28 bits at most, and the next code is looked up before the bits are refilled.
        if bits.count & 63 < 28 + LITERAL_BITS {
            refill(&mut bits);
        }
        entry = find(distances, &bits, DISTANCE_BITS);
        if entry & SPECIAL != 0 {
            entry = find_in_subtable(distances, &mut bits, entry, DISTANCE_BITS);
            if entry & SPECIAL != 0 {
                failure = Some("invalid distance code");
                break false;
            }
        }
        let distance = read_value(&mut bits, entry);
        if distance > end {
            failure = Some("invalid distance too far back");
            break false;
        }
        entry = find(literals, &bits, LITERAL_BITS);
        copy_match(buffer, end, distance, length);
        end += length;
    };
    (output.end, *source) = (end, bits);
    failure.map_or(Ok(is_end), Err)
}

/// Return the entry of the next bits in a table.
#[inline(always)]
fn find<const SIZE: usize>(table: &[u32; SIZE], bits: &Bits<'_>, count: u32) -> u32 {
    table[bits.bits as usize & ((1 << count) - 1)]
}

/// Return the entry of the next bits in the subtable of an entry, or the entry if it has none.
#[inline(always)]
fn find_in_subtable<const SIZE: usize>(
    table: &[u32; SIZE],
    bits: &mut Bits<'_>,
    entry: u32,
    count: u32,
) -> u32 {
    if entry & SUBTABLE == 0 {
        return entry;
    }
    bits.consume(count);
    let mask = (1 << (entry >> 8 & 15)) - 1;
    table[((entry >> 16) as usize + (bits.bits as usize & mask)) & (SIZE - 1)]
}

/// Consume the code of a length or distance with its extra bits, and return its value.
#[inline(always)]
fn read_value(bits: &mut Bits<'_>, entry: u32) -> usize {
    let code = bits.bits & !(u64::MAX.wrapping_shl(entry));
    bits.consume(entry);
    (entry >> 16) as usize + (code >> (entry >> 8 & 15)) as usize
}

/// Copy earlier bytes of the output, which may overlap the copy. Up to 31 bytes after the copy are overwritten.
#[inline(always)]
fn copy_match(output: &mut [u8], end: usize, distance: usize, length: usize) {
    let start = end - distance;
    if distance >= 32 {
        output.copy_within(start..start + 32, end);
        if length > 32 {
            let mut done = 32;
            while done < length {
                output.copy_within(start + done..start + done + 32, end + done);
                done += 32;
            }
        }
    } else if distance >= 16 {
        output.copy_within(start..start + 16, end);
        if length > 16 {
            output.copy_within(start + 16..start + 32, end + 16);
            let mut done = 32;
            while done < length {
                output.copy_within(start + done..start + done + 16, end + done);
                done += 16;
            }
        }
    } else if distance == 1 {
        let byte = output[start];
        output[end..end + length].fill(byte);
    } else {
        // A multiple of the distance that is at least 16 repeats the same bytes.
        let stride = distance * 16usize.div_ceil(distance);
        for index in end..end + stride {
            output[index] = output[index - distance];
        }
        let mut done = stride;
        while done < length {
            output.copy_within(end + done - stride..end + done - stride + 16, end + done);
            done += 16;
        }
    }
}
