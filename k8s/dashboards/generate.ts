/**
 * Writes Grafana's JSON of boards.ts into the charts, and the documentation's pictures from the recorded run. Run by `npm run generate`; `--check`
 * only compares.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeOrCheck } from '../../operator/src/crd/write-or-check.ts';
import { BOARDS, type Board, type Panel, rowsOf } from './boards.ts';
import { pictureFiles, recordingPath } from './pictures.ts';

const HEIGHT = 8;
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Grafana wants each panel's place. */
function placed(panels: readonly Panel[]): readonly object[] {
  const places = rowsOf(panels).flatMap((row, index) => {
    let x = 0;
    return row.map((panel) => {
      const gridPos = { x, y: index * HEIGHT, w: panel.width, h: HEIGHT };
      x += panel.width;
      return { panel, gridPos };
    });
  });
  return places.map(({ panel, gridPos }, index) => ({ id: index + 1, ...panelOf(panel), gridPos }));
}

function panelOf({ title, kind, unit, queries }: Panel): object {
  const isTable = kind === 'table';
  return {
    title,
    type: kind,
    datasource: SOURCE,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(({ legend, expr }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
      ...(isTable ? { format: 'table', instant: true } : {}),
    })),
  };
}

function dashboardOf({ uid, title, namespacesOf, panels }: Board): object {
  const label = namespacesOf.startsWith('latchkey_') ? 'exported_namespace' : 'namespace';
  return {
    uid,
    title,
    tags: ['latchkey'],
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        {
          name: 'namespace',
          type: 'query',
          datasource: SOURCE,
          query: `label_values(${namespacesOf}, ${label})`,
          refresh: 2,
        },
      ],
    },
    panels: placed(panels),
  };
}

const texts = Object.entries(BOARDS).map(([path, board]): [string, string] => [
  path,
  `${JSON.stringify(dashboardOf(board), undefined, 2)}\n`,
]);
const recording = readFileSync(fileURLToPath(new URL(`../../${recordingPath}`, import.meta.url)), 'utf8');
writeOrCheck(new Map([...texts, ...pictureFiles(recording)]), 'node k8s/dashboards/generate.ts');
