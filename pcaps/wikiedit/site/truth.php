<?php
// What the server knows: one line for each POST (and rollback), with the client's address and port; beacons and forms of the lab.
// X-Client-IP and X-Client-Port come from the TLS proxy.
$labStart = (float)( $_SERVER['REQUEST_TIME_FLOAT'] ?? microtime( true ) );
$labSaved = null;

$wgHooks['PageSaveComplete'][] = static function ( $page, $user, $summary, $flags, $revision, $result ) {
	global $labSaved;
	$labSaved = [ 'revision' => $revision->getId(), 'null' => $result->isNullEdit(), 'page_bytes' => $revision->getSize(),
		'undo' => $result->isRevert(), 'title' => $page->getTitle()->getPrefixedText() ];
};

$wgHooks['BeforePageDisplay'][] = static function ( $out, $skin ) {
	global $host;
	$scripts = str_starts_with( $host, 'en.m.' ) ? [ 'lab.js', 'mobile.js' ] : [ 'lab.js' ];
	foreach ( $scripts as $script ) {
		$out->addHeadItem( $script, "<script src=\"/lab/$script\" defer></script>" );
	}
};

// Since SUL3 people log in on auth.wikimedia.org, which sends the browser back by two redirects.
$wgHooks['BeforePageRedirect'][] = static function ( $out, &$redirect, &$code ) {
	global $host, $wgRequest;
	$session = $wgRequest->getSession();
	if ( $host === 'auth.wikimedia.org' && $wgRequest->wasPosted() && $out->getUser()->isRegistered() ) {
		$session->persist();
		$session->save();
		$back = 'https://en.wikipedia.org/lab/central?token=' . md5( $session->getId() ) . '&id=' . $session->getId() .
			'&name=' . rawurlencode( $out->getUser()->getName() ) . '&user=' . $out->getUser()->getId() .
			'&to=' . rawurlencode( preg_replace( '#^https://[^/]+#', '', $redirect ) );
		$redirect = $back;
	}
};

register_shutdown_function( static function () {
	global $labSaved, $labStart, $lab;
	$action = $_REQUEST['action'] ?? '';
	if ( ( $_SERVER['REQUEST_METHOD'] ?? '' ) !== 'POST' && !$labSaved ) {
		return;
	}
	$title = $_REQUEST['title'] ?? ( $_SERVER['PATH_INFO'] ?? '' );
	$row = [
		'time' => $labStart,
		'seconds' => round( microtime( true ) - $labStart, 3 ),
		'client' => ( $_SERVER['HTTP_X_CLIENT_IP'] ?? '' ) . ':' . ( $_SERVER['HTTP_X_CLIENT_PORT'] ?? '' ),
		'method' => $_SERVER['REQUEST_METHOD'] ?? '',
		'script' => basename( $_SERVER['SCRIPT_NAME'] ?? '' ),
		'action' => is_string( $action ) ? $action : '',
		'paction' => $_REQUEST['paction'] ?? '',
		'special' => str_starts_with( ltrim( $title, '/' ), 'Special:' ) ? substr( ltrim( $title, '/' ), 8 ) : '',
		'section' => $_REQUEST['wpSection'] ?? '',
		'preview' => isset( $_REQUEST['wpPreview'] ) || isset( $_REQUEST['wpDiff'] ),
		'undo' => (int)( $_REQUEST['wpUndidRevision'] ?? 0 ),
		'mobile' => isset( $_REQUEST['labmobile'] ),
		'bytes' => (int)( $_SERVER['CONTENT_LENGTH'] ?? 0 ),
		'status' => http_response_code(),
		'saved' => $labSaved,
	];
	file_put_contents( "$lab/log/posts.jsonl", json_encode( $row ) . "\n", FILE_APPEND | LOCK_EX );
} );
