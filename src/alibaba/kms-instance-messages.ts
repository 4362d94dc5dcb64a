import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

// Every message of the protocol is flat and all its fields are optional (proto3), so a table of fields takes the place
// of generated code; tags, lengths and unknown fields are the library's.

interface KindValues {
  readonly string: string;
  readonly bytes: Uint8Array;
  readonly int32: number;
  readonly bool: boolean;
}

/** The fields of a message: name, number, kind. */
type MessageFields = Readonly<Record<string, readonly [number: number, kind: keyof KindValues]>>;

/** A message with all its fields; one that was not sent is empty, 0 or false. */
type Message<Fields extends MessageFields> = {
  readonly [Name in keyof Fields]: KindValues[Fields[Name][1]];
};

/**
 * The messages of a KMS instance that signing needs, by their numbers in Alibaba's api.proto
 * (https://github.com/aliyun/alibabacloud-dkms-gcs-go-sdk/blob/master/openapi-util/protobuf/api.proto). Field 2 of the two requests,
 * `Digest`, is what older SDKs sent and is not used.
 */
export const instanceMessages = {
  SignRequest: { KeyId: [1, 'string'], Algorithm: [3, 'string'], Message: [4, 'bytes'], MessageType: [5, 'string'] },
  SignResponse: {
    KeyId: [1, 'string'],
    Signature: [2, 'bytes'],
    RequestId: [3, 'string'],
    Algorithm: [4, 'string'],
    MessageType: [5, 'string'],
  },
  VerifyRequest: {
    KeyId: [1, 'string'],
    Signature: [3, 'bytes'],
    Algorithm: [4, 'string'],
    Message: [5, 'bytes'],
    MessageType: [6, 'string'],
  },
  VerifyResponse: {
    KeyId: [1, 'string'],
    Value: [2, 'bool'],
    RequestId: [3, 'string'],
    Algorithm: [4, 'string'],
    MessageType: [5, 'string'],
  },
  GetPublicKeyRequest: { KeyId: [1, 'string'] },
  GetPublicKeyResponse: { KeyId: [1, 'string'], PublicKey: [2, 'string'], RequestId: [3, 'string'] },
  Error: {
    StatusCode: [1, 'int32'],
    ErrorCode: [2, 'string'],
    ErrorMessage: [3, 'string'],
    RequestId: [4, 'string'],
  },
} as const satisfies Record<string, MessageFields>;

/** The bytes of a message, fields in the order of the table; what is empty, 0 or false is not sent (proto3). */
export function encodeMessage<Fields extends MessageFields>(
  fields: Fields,
  message: Partial<Message<Fields>>,
): Uint8Array {
  const writer = new BinaryWriter();
  for (const [name, [number, kind]] of Object.entries(fields)) {
    const value = message[name];
    if (value !== undefined) kinds[kind].write(writer, number, value as never);
  }
  return writer.finish();
}

/**
 * Reads a message; unknown fields, and known numbers with a type that they do not have, are passed over.
 * @throws Error of the library for bytes that are no message
 */
export function decodeMessage<Fields extends MessageFields>(fields: Fields, bytes: Uint8Array): Message<Fields> {
  const names = new Map(Object.entries(fields).map(([name, [number, kind]]) => [number, { name, kind }]));
  const message: Record<string, unknown> = {};
  for (const { name, kind } of names.values()) message[name] = kinds[kind].absent();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = names.get(number);
    if (field === undefined || kinds[field.kind].wireType !== wireType) reader.skip(wireType, number);
    else message[field.name] = kinds[field.kind].read(reader);
  }
  return message as Message<Fields>;
}

interface Kind<Value> {
  readonly wireType: WireType;
  absent(): Value;
  read(reader: BinaryReader): Value;
  write(writer: BinaryWriter, number: number, value: Value): void;
}

const kinds: { readonly [Name in keyof KindValues]: Kind<KindValues[Name]> } = {
  string: {
    wireType: WireType.LengthDelimited,
    absent: () => '',
    read: (reader) => reader.string(),
    write: (writer, number, value) => {
      if (value !== '') writer.tag(number, WireType.LengthDelimited).string(value);
    },
  },
  bytes: {
    wireType: WireType.LengthDelimited,
    absent: () => new Uint8Array(),
    read: (reader) => reader.bytes(),
    write: (writer, number, value) => {
      if (value.length > 0) writer.tag(number, WireType.LengthDelimited).bytes(value);
    },
  },
  int32: {
    wireType: WireType.Varint,
    absent: () => 0,
    read: (reader) => reader.int32(),
    write: (writer, number, value) => {
      if (value !== 0) writer.tag(number, WireType.Varint).int32(value);
    },
  },
  bool: {
    wireType: WireType.Varint,
    absent: () => false,
    read: (reader) => reader.bool(),
    write: (writer, number, value) => {
      if (value) writer.tag(number, WireType.Varint).bool(value);
    },
  },
};
