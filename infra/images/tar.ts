const blockBytes = 512;

/** A tar archive (POSIX ustar) of one regular file, as the layer of an image needs it. `path` is relative, below 100 bytes. */
export function tarOf(path: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(path, 0, 100, 'utf8');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${octal(content.length, 11)}\0`, 124);
  header.write(`${octal(0, 11)}\0`, 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  // Two empty blocks end an archive.
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * blockBytes)]);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
