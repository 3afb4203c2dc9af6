import { render, type JSX } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/pages.css';
import './styles/people.css';
import { App } from './app.tsx';
import { later } from './lazy.tsx';
import { Login } from './pages/login/page.tsx';
import { interceptLinks, usePlace } from './router.ts';

const PublicDashboard = later(async () => (await import('./pages/public/page.tsx')).PublicDashboard, { onlyWhenShown: true });

/** Signing in and what strangers see stand outside the frame: the frame asks the server about everything. */
function Root(): JSX.Element {
  const place = usePlace();
  if (place.page === 'public') return <PublicDashboard key={place.uid} place={place} />;
  return place.page === 'login' ? <Login place={place} /> : <App />;
}

interceptLinks();
render(<Root />, document.getElementById('app')!);
