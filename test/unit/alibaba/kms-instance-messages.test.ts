import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, instanceMessages } from '../../../src/alibaba/kms-instance-messages.ts';

// Recorded from Alibaba's Go SDK github.com/aliyun/alibabacloud-dkms-gcs-go-sdk v0.5.1 on a local server.
const golden = {
  request: `0a056b65792d311a0f5253415f5053535f5348415f32353622202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48812a06444947455354`,
  response: '0a056b65792d3112030102031a03726964220f5253415f5053535f5348415f3235362a06444947455354',
  error: '08ad03121352656a65637465642e5468726f74746c696e671a035150532203726964',
};
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => Buffer.from(text, 'hex');

const message = {
  request: {
    KeyId: 'key-1',
    Algorithm: 'RSA_PSS_SHA_256',
    Message: createHash('sha256').update('x').digest(),
    MessageType: 'DIGEST',
  },
  response: {
    KeyId: 'key-1',
    Signature: Buffer.of(1, 2, 3),
    RequestId: 'rid',
    Algorithm: 'RSA_PSS_SHA_256',
    MessageType: 'DIGEST',
  },
  error: { StatusCode: 429, ErrorCode: 'Rejected.Throttling', ErrorMessage: 'QPS', RequestId: 'rid' },
};

describe('the messages of a KMS instance', () => {
  it('are the bytes that Alibaba’s SDK sends and takes', () => {
    expect(hex(encodeMessage(instanceMessages.SignRequest, message.request))).toBe(golden.request);
    expect(hex(encodeMessage(instanceMessages.SignResponse, message.response))).toBe(golden.response);
    expect(hex(encodeMessage(instanceMessages.Error, message.error))).toBe(golden.error);
  });

  it('are read from those bytes', () => {
    const request = decodeMessage(instanceMessages.SignRequest, bytes(golden.request));
    expect({ ...request, Message: hex(request.Message) }).toEqual({
      ...message.request,
      Message: hex(message.request.Message),
    });
    const response = decodeMessage(instanceMessages.SignResponse, bytes(golden.response));
    expect({ ...response, Signature: hex(response.Signature) }).toEqual({ ...message.response, Signature: '010203' });
    expect(decodeMessage(instanceMessages.Error, bytes(golden.error))).toEqual(message.error);
  });

  it('leave out what is empty, and read it as empty', () => {
    expect(encodeMessage(instanceMessages.VerifyResponse, { KeyId: '', Value: false })).toHaveLength(0);
    expect(decodeMessage(instanceMessages.VerifyResponse, new Uint8Array())).toEqual({
      KeyId: '',
      Value: false,
      RequestId: '',
      Algorithm: '',
      MessageType: '',
    });
  });

  it('carry a true and a false of Verify', () => {
    for (const Value of [true, false]) {
      const sent = encodeMessage(instanceMessages.VerifyResponse, { KeyId: 'k', Value });
      expect(decodeMessage(instanceMessages.VerifyResponse, sent).Value).toBe(Value);
    }
  });

  it('pass over unknown fields and known numbers of another type', () => {
    // Field 9 as text, field 1 (KeyId) as a number, then KeyId itself.
    const odd = bytes('4a027879' + '0805' + '0a016b');
    expect(decodeMessage(instanceMessages.GetPublicKeyRequest, odd)).toEqual({ KeyId: 'k' });
  });

  it.each([
    ['cut off', golden.response.slice(0, -4)],
    ['with a length beyond the end', '0aff7f6b'],
    ['with field number 0', '0000'],
    ['that are HTML', Buffer.from('<html>502</html>').toString('hex')],
  ])('are refused for bytes %s', (_, text) => {
    expect(() => decodeMessage(instanceMessages.SignResponse, bytes(text))).toThrow();
  });

  it('end with a message or an error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (anything) => {
        try {
          const { ErrorCode, StatusCode } = decodeMessage(instanceMessages.Error, anything);
          return typeof ErrorCode === 'string' && Number.isInteger(StatusCode);
        } catch (error) {
          return error instanceof Error;
        }
      }),
    );
  });
});
