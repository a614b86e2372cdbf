/** The pictures of the documentation: each is what the boards and the recorded run make of it, small enough, and shown where it is promised. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { BOARDS } from '../../../k8s/dashboards/boards.ts';
import { decisionsIn } from '../../../k8s/dashboards/happened.ts';
import { seriesOf } from '../../../k8s/dashboards/panels.ts';
import { allQueries, pathOfBoard, pictureFiles, recordingPath, rolloutPath } from '../../../k8s/dashboards/pictures.ts';
import { parseRecording } from '../../../k8s/dashboards/recording.ts';
import { ROLLOUT_QUERIES } from '../../../k8s/dashboards/rollout-picture.ts';

const textOf = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');

const recording = parseRecording(textOf(recordingPath));
const LIMIT_BYTES = { picture: 100_000, recording: 60_000 };

describe('the pictures of the boards', () => {
  for (const [path, text] of pictureFiles(textOf(recordingPath)))
    it(`${path} is what the recording makes of it, below 100 KB, and loads nothing`, () => {
      const kept = textOf(path);
      expect(kept).to.equal(text);
      expect(Buffer.byteLength(kept)).to.be.below(LIMIT_BYTES.picture);
      expect(kept.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.to.match(/https?:|href=|<script|<image|url\(/);
    });

  it('come from a recording that answers every query, no more, in less than 60 KB', () => {
    expect(Object.keys(recording.answers)).to.have.members(allQueries());
    expect(Buffer.byteLength(textOf(recordingPath))).to.be.below(LIMIT_BYTES.recording);
  });

  for (const board of Object.values(BOARDS))
    describe(`of ${board.title}`, () => {
      const picture = textOf(pathOfBoard(board));
      for (const panel of board.panels)
        it(`show the panel "${panel.title}" with something on it, and docs/dashboards.md says what it answers`, () => {
          expect(picture).to.contain(`>${panel.title}</text>`);
          for (const query of panel.queries)
            expect(seriesOf({ ...panel, queries: [query] }, recording), query.expr).not.to.be.empty;
          expect(textOf('docs/dashboards.md')).to.contain(`| ${panel.title} |`);
        });

      it('are in docs/dashboards.md', () => {
        expect(textOf('docs/dashboards.md')).to.contain(`](${pathOfBoard(board).replace('docs/', '')})`);
        expect(picture).not.to.contain('>No data<');
      });
    });
});

describe('the picture of a rollout', () => {
  it('is one that was promoted after every weight of the schedule, and one that was taken back', () => {
    const [weights] = recording.answers[ROLLOUT_QUERIES.weight] ?? [];
    for (const weight of [5, 10, 25, 50, 100]) expect(weights?.values).to.include(weight);
    expect(weights?.values.at(-1)).to.equal(0);
    const kinds = decisionsIn(recording.answers[ROLLOUT_QUERIES.decisions] ?? []).map(({ decision }) => decision);
    const ends = kinds.filter((kind) => kind !== 'hold' && kind !== 'advance');
    // A promotion is several decisions: to promote, that traffic has left, that it is done.
    expect([...new Set(ends)]).to.deep.equal(['promote', 'rollback']);
  });

  it('is in the README', () => {
    expect(textOf('README.md')).to.contain(`](${rolloutPath})`);
  });
});
