import { expect } from 'chai';
import {
  answerTo,
  packed,
  parseRecording,
  type Recording,
  recordingText,
  unpacked,
} from '../../../k8s/dashboards/recording.ts';

const recording: Recording = {
  source: 'a "test"',
  from: '2026-01-02T03:04:05.000Z',
  stepS: 1,
  points: 4,
  rateInterval: '10s',
  answers: {
    up: [{ labels: { pod: 'a' }, values: [0, 0, undefined, 1.5] }],
    none: [],
  },
};

describe('a recording', () => {
  it('says its values in one line, alike ones once, and reads them back', () => {
    expect(packed([0, 0, 0, undefined, undefined, 0.25, 12])).to.equal('0*3 -*2 0.25 12');
    expect(unpacked('0*3 -*2 0.25 12')).to.deep.equal([0, 0, 0, undefined, undefined, 0.25, 12]);
  });

  it('keeps three digits of a figure and takes what is no number for a gap', () => {
    expect(packed([1234.5, 0.0012345, Number.NaN, Number.POSITIVE_INFINITY])).to.equal('1230 0.00123 -*2');
  });

  for (const text of ['', 'x', '1*0', '1*x', '1  2'])
    it(`is refused with the values "${text}"`, () => {
      expect(() => unpacked(text)).to.throw(RangeError);
    });

  it('is what its text is read as', () => {
    expect(parseRecording(recordingText(recording))).to.deep.equal(recording);
  });

  it('tells who asks for an answer that it lacks what to do', () => {
    expect(answerTo(recording, 'none')).to.deep.equal([]);
    expect(() => answerTo(recording, 'up == 0')).to.throw('up == 0: record a run with npm run pictures');
  });
});
