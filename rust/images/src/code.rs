//! Operands of machine code that are addresses: of x86-64 relative to the next instruction, of AArch64 in two instructions.
//!
//! Does not decode x86-64: each four bytes count as an operand. A wrong one hits an address by chance only.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Architecture {
    X86,
    Arm,
}

/// Instructions after ADRP that may complete the address.
const PAIR: usize = 4;
const WORD: usize = 4;

/// Return the offsets of instructions that address one of few addresses, each with the address, in the order of the code.
pub fn find_references(
    architecture: Architecture,
    code: &[u8],
    start: u64,
    addresses: &[u64],
) -> Vec<(usize, u64)> {
    let (Some(first), Some(last)) = (addresses.iter().min(), addresses.iter().max()) else {
        return Vec::new();
    };
    let mut references = Vec::new();
    for_each_operand(architecture, code, start, |offset, operand| {
        // Most operands are outside of the range of all addresses.
        if (*first..=*last).contains(&operand) && addresses.contains(&operand) {
            references.push((offset, operand));
        }
    });
    references
}

/// Return offset and address of the instructions that load an address into a register, such as that of a literal.
pub fn list_loaded(architecture: Architecture, code: &[u8], start: u64) -> Vec<(usize, u64)> {
    let mut operands = Vec::new();
    for_each_operand(architecture, code, start, |offset, operand| {
        let is_load = match architecture {
            Architecture::X86 => offset >= 3 && is_load_address(&code[offset - 3..offset]),
            Architecture::Arm => true,
        };
        if is_load {
            operands.push((offset, operand));
        }
    });
    operands
}

/// Return offset and target of the instructions that may be calls: CALL with a distance, or BL.
pub fn list_calls(architecture: Architecture, code: &[u8], start: u64) -> Vec<(usize, u64)> {
    const CALL: u8 = 0xe8;
    const BRANCH: u32 = 0x9400_0000;
    let place = |offset: usize| start.wrapping_add(offset as u64);
    let calls = code.windows(WORD + 1).enumerate();
    calls
        .filter_map(|(offset, bytes)| match architecture {
            Architecture::X86 if bytes[0] == CALL => {
                let distance = i32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
                let next = place(offset + WORD + 1);
                Some((offset, next.wrapping_add_signed(distance.into())))
            }
            Architecture::Arm if place(offset) % WORD as u64 == 0 => {
                let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                // The number of words has 26 bits with a sign.
                let distance = i64::from((word << 6) as i32 >> 4);
                let target = place(offset).wrapping_add_signed(distance);
                (word & 0xfc00_0000 == BRANCH).then_some((offset, target))
            }
            _ => None,
        })
        .collect()
}

/// Return the numbers beside an instruction that may be the size of a literal: of 32 bits, or loaded by an instruction.
pub fn list_sizes(architecture: Architecture, code: &[u8], offset: usize) -> Vec<u64> {
    const BESIDE: usize = 24;
    let beside = &code[offset.saturating_sub(BESIDE)..code.len().min(offset + BESIDE)];
    let words = beside.windows(WORD);
    words
        .filter_map(|bytes| {
            let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            match architecture {
                Architecture::X86 => Some(word.into()),
                Architecture::Arm => decode_number(word),
            }
        })
        .collect()
}

/// Return the number that MOVZ loads, or ORR with a row of ones.
fn decode_number(word: u32) -> Option<u64> {
    if word & 0xffe0_0000 == 0xd280_0000 {
        return Some(u64::from(word >> 5 & 0xffff));
    }
    let count = (word >> 10 & 63) + 1;
    let is_row = word & 0xffc0_03e0 == 0xb240_03e0 && count < u64::BITS;
    is_row.then(|| ((1 << count) - 1_u64).rotate_right(word >> 16 & 63))
}

/// Return True for LEA with an operand relative to the next instruction, into a register of 64 bits.
fn is_load_address(bytes: &[u8]) -> bool {
    matches!(bytes, [0x48 | 0x4c, 0x8d, mode] if mode & 0xc7 == 5)
}

fn for_each_operand(
    architecture: Architecture,
    code: &[u8],
    start: u64,
    mut visit: impl FnMut(usize, u64),
) {
    match architecture {
        Architecture::X86 => {
            for (offset, bytes) in code.windows(WORD).enumerate() {
                let distance = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                let next = start.wrapping_add((offset + WORD) as u64);
                visit(offset, next.wrapping_add_signed(distance.into()));
            }
        }
        Architecture::Arm => {
            let skipped = (start.wrapping_neg() % WORD as u64) as usize;
            let words: Vec<u32> = code
                .get(skipped..)
                .unwrap_or_default()
                .chunks_exact(WORD)
                .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            for (index, word) in words.iter().enumerate() {
                let offset = skipped + index * WORD;
                let place = start.wrapping_add(offset as u64);
                if let Some((register, page)) = decode_page(*word, place) {
                    let next = &words[index + 1..words.len().min(index + 1 + PAIR)];
                    for distance in next
                        .iter()
                        .filter_map(|word| decode_offset(*word, register))
                    {
                        visit(offset, page.wrapping_add(distance));
                    }
                }
            }
        }
    }
}

/// Return register and page of an ADRP instruction.
fn decode_page(word: u32, place: u64) -> Option<(u32, u64)> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = ((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3) as i32;
    // The number has 21 bits with a sign.
    let pages = i64::from(pages << 11 >> 11);
    Some((
        word & 31,
        (place & !0xfff).wrapping_add_signed(pages * 0x1000),
    ))
}

/// Return the distance that ADD or LDR (64 bits, unsigned offset) adds to a register.
fn decode_offset(word: u32, register: u32) -> Option<u64> {
    let distance = u64::from(word >> 10 & 0xfff);
    match word & 0xffc0_0000 {
        _ if word >> 5 & 31 != register => None,
        0x9100_0000 => Some(distance),
        0xf940_0000 => Some(distance * 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_of_x86() {
        // MOVQ 0x10(RIP), AX and LEAQ -0x20(RIP), CX.
        let code = [
            0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x48, 0x8d, 0x0d, 0xe0, 0xff, 0xff, 0xff,
        ];
        let references =
            find_references(Architecture::X86, &code, 0x1000, &[0x1017, 0xfee, 0x5000]);
        assert_eq!(references, [(3, 0x1017), (10, 0xfee)]);
        assert_eq!(list_loaded(Architecture::X86, &code, 0x1000), [(10, 0xfee)]);
        assert_eq!(find_references(Architecture::X86, &code, 0x1000, &[]), []);
    }

    #[test]
    fn calls() {
        let code = [0x90, 0xe8, 0x10, 0, 0, 0, 0x90, 0x90];
        let calls = list_calls(Architecture::X86, &code, 0x1000);
        assert_eq!(calls, [(1, 0x1016)]);
        // NOP; BL -8; NOP.
        let words: [u32; 3] = [0xd503_201f, 0x97ff_fffe, 0xd503_201f];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let calls = list_calls(Architecture::Arm, &code, 0x1000);
        assert_eq!(calls, [(4, 0xffc)]);
    }

    #[test]
    fn sizes_of_literals() {
        // LEAQ 0(RIP), AX; MOVL $5, BX.
        let code = [0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xbb, 5, 0, 0, 0];
        assert!(list_sizes(Architecture::X86, &code, 3).contains(&5));
        // MOVD $7, R1.
        let code = 0xd280_00e1_u32.to_le_bytes();
        assert_eq!(list_sizes(Architecture::Arm, &code, 0), [7]);
        // ORR X3, XZR, #16 and #6.
        assert_eq!(decode_number(0xb27c_03e3), Some(16));
        assert_eq!(decode_number(0xb27f_07e3), Some(6));
        assert_eq!(decode_number(0xb240_ffe3), None);
    }

    #[test]
    fn operands_of_arm() {
        // ADRP X1, page + 1; NOP; LDR X2, [X1, #16]; ADD X3, X1, #8; ADD X3, X4, #24.
        let words: [u32; 5] = [
            0xb000_0001,
            0xd503_201f,
            0xf940_0822,
            0x9100_2023,
            0x9100_6083,
        ];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let operands = list_loaded(Architecture::Arm, &code, 0x1000);
        assert_eq!(operands, [(0, 0x2010), (0, 0x2008)]);
        // ADRP X0, page - 1.
        assert_eq!(decode_page(0xf0ff_ffe0, 0x5004), Some((0, 0x4000)));
    }
}
